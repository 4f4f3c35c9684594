"""The registers in the order of their numbers (GDB manual, Standard Target Features: i386 Features).

The leading rows up to G_PACKET_END travel in `g`; all others are read one by one when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from gdbstub.target import Register
from vmdbg.gdb.architecture import Architecture
from vmdbg.x86.msr import MSRS
from vmdbg.x86.registers import BY_NAME, GENERAL, SEGMENTS, Group

CORE = "org.gnu.gdb.i386.core"
SSE = "org.gnu.gdb.i386.sse"
AVX = "org.gnu.gdb.i386.avx"
"""Upper halves of YMM registers: gdb puts them together with XMM."""
SEGMENT_BASES = "org.gnu.gdb.i386.segments"
LINUX = "org.gnu.gdb.i386.linux"
"""gdb catches system calls for whoever has its one register."""
SYSTEM = "org.vmdbg.i386.system"
SYSTEM_GROUP = "system"

ORIGINAL_RAX = "orig_rax"
"""The number of the system call that a program of Linux makes."""

PSEUDO = {
    "tick": 64,
    "linear_pc": 64,
    "linear_sp": 64,
    "cpl": 8,
    "cpu": 8,
    "cr8": 64,
    "tsc": 64,
    "lx_pid": 32,
    "lx_tid": 32,
    "lx_task": 64,
    ORIGINAL_RAX: 64,
}
"""Computed by us, with their widths in bits; they cannot be written. A 32-bit client has pointers of 32 bits."""
TASK = ("lx_pid", "lx_tid", "lx_task")
"""Those that come from the guest's operating system."""
_PSEUDO_TYPES = {"lx_pid": "int32", "lx_tid": "int32", "lx_task": "data_ptr"}

_ROLES = {
    "rip": ("pc", 16),
    "rsp": ("sp", 7),
    "rbp": ("fp", 6),
    "rflags": ("flags", 49),
    "rdi": ("arg1", 5),
    "rsi": ("arg2", 4),
    "rdx": ("arg3", 1),
    "rcx": ("arg4", 2),
    "r8": ("arg5", 8),
    "r9": ("arg6", 9),
    "rax": ("", 0),
    "rbx": ("", 3),
}
_ROLES_32BIT = {"rip": ("pc", 8), "rsp": ("sp", 4), "rbp": ("fp", 5), "rflags": ("flags", 9)}
_DWARF_32BIT = {"rax": 0, "rcx": 1, "rdx": 2, "rbx": 3, "rsi": 6, "rdi": 7}
_POINTERS = {"rip": "code_ptr", "rsp": "data_ptr", "rbp": "data_ptr"}
_GENERAL_32BIT = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
_X87_CONTROL = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")
_UNLISTED = ("xcr0", "interrupt_shadow", "nmi_blocked")
"""The engine's, besides the registers of the SDM's tables."""
_QEMU_NAMES = {"kernel_gs_base": "k_gs_base"}
"""Scripts know it from QEMU."""


@dataclass(frozen=True, slots=True)
class Row:
    """A register as the client sees it, and the engine's name (or PSEUDO's) for it."""

    register: Register
    source: str


@dataclass(frozen=True, slots=True)
class Layout:
    """All rows; the first `g_count` of them make up a `g` packet of `g_size` bytes."""

    architecture: Architecture
    rows: tuple[Row, ...]
    g_count: int

    @property
    def registers(self) -> tuple[Register, ...]:
        return tuple(row.register for row in self.rows)

    @property
    def g_size(self) -> int:
        return sum(row.register.bits for row in self.rows[: self.g_count]) // 8

    def number(self, source: str) -> int:
        """The number of the first register with that source. Raises ValueError."""
        return next(number for number, row in enumerate(self.rows) if row.source == source)


def _short(source: str) -> str:
    """rax is eax to a 32-bit client."""
    return "e" + source[1:]


def _core(is_64bit: bool) -> list[Row]:
    bits = 64 if is_64bit else 32
    rows = []
    for source in (*(GENERAL if is_64bit else _GENERAL_32BIT), "rip"):
        generic, dwarf = (_ROLES if is_64bit else _ROLES_32BIT).get(source, ("", _dwarf(source, is_64bit)))
        name = source if is_64bit else _short(source)
        type_ = _POINTERS.get(source, f"int{bits}")
        rows.append(Row(Register(name, bits, type_, feature=CORE, generic=generic, dwarf=dwarf), source))
    generic, dwarf = (_ROLES if is_64bit else _ROLES_32BIT)["rflags"]
    flags = Register("eflags", 32, "i386_eflags", feature=CORE, generic=generic, dwarf=dwarf, alias="rflags")
    rows.append(Row(flags, "rflags"))
    rows += [Row(Register(name, 32, "int32", feature=CORE), name) for name in SEGMENTS]
    rows += [Row(Register(f"st{n}", 80, "i387_ext", "float", CORE), f"st{n}") for n in range(8)]
    rows += [Row(Register(name, 32, "int", "float", CORE), name) for name in _X87_CONTROL]
    return rows


def _dwarf(source: str, is_64bit: bool) -> int | None:
    """System V ABI, figure 3.36; the i386 psABI's numbers for 32 bits."""
    if not is_64bit:
        return _DWARF_32BIT.get(source)
    return int(source[1:]) if source[1:].isdigit() else None


def _sse(is_64bit: bool) -> list[Row]:
    first = 17 if is_64bit else 21
    rows = [
        Row(Register(f"xmm{n}", 128, "vec128", "vector", SSE, dwarf=first + n), f"xmm{n}")
        for n in range(16 if is_64bit else 8)
    ]
    return [*rows, Row(Register("mxcsr", 32, "i386_mxcsr", "vector", SSE), "mxcsr")]


def _avx(is_64bit: bool) -> list[Row]:
    names = [f"ymm{n}h" for n in range(16 if is_64bit else 8)]
    return [Row(Register(name, 128, "uint128", "vector", AVX), name) for name in names]


def _system(taken: set[str], engine_names: frozenset[str], is_64bit: bool) -> list[Row]:
    rows = []
    wanted = [
        name for name, row in BY_NAME.items() if (name in engine_names and row.group is not Group.AVX) or name in PSEUDO
    ]
    wanted += [name for name in (*PSEUDO, *_UNLISTED) if name not in BY_NAME]
    for source in wanted:
        if source in taken:
            continue
        name = _QEMU_NAMES.get(source, source)
        bits = _bits(source, is_64bit)
        rows.append(
            Row(
                Register(
                    name,
                    bits,
                    type_of(source, bits),
                    SYSTEM_GROUP,
                    SYSTEM,
                    alias=source if name != source else "",
                    save_restore=False,
                ),
                source,
            )
        )
    return rows


def _original_rax(architecture: Architecture) -> Row:
    name, bits = ORIGINAL_RAX if architecture.is_64bit else "orig_eax", architecture.address_bits
    return Row(Register(name, bits, f"int{bits}", SYSTEM_GROUP, LINUX, save_restore=False), ORIGINAL_RAX)


def _bits(source: str, is_64bit: bool) -> int:
    if _PSEUDO_TYPES.get(source) == "data_ptr":
        return 64 if is_64bit else 32
    if source in PSEUDO:
        return PSEUDO[source]
    return BY_NAME[source].bits if source in BY_NAME else 64


def type_of(source: str, bits: int) -> str:
    """`flags_NAME` for a register with bit fields: see `description`."""
    if source in _PSEUDO_TYPES:
        return _PSEUDO_TYPES[source]
    register = BY_NAME.get(source)
    if register is not None and register.layout and source not in _PLAIN:
        return f"flags_{_flags_name(source)}"
    return f"uint{bits}"


_PLAIN = frozenset({msr.name for msr in MSRS} - {"efer"}) | {"ldtr", "tr", "cr3", "cr8"}
"""Registers whose value as one number says more than their fields."""


def _flags_name(source: str) -> str:
    return "segment" if source.endswith("_flags") else source


def flag_types(layout: Layout) -> Mapping[str, str]:
    """Register types `flags_...` with the source whose fields they show."""
    return {row.register.type: row.source for row in layout.rows if row.register.type.startswith("flags_")}


@cache
def layout_of(architecture: Architecture, engine_names: frozenset[str]) -> Layout:
    """The layout for clients of `architecture`, with what the engine has."""
    is_64bit = architecture.is_64bit
    rows = [*_core(is_64bit), *_sse(is_64bit)]
    if is_64bit:
        rows += [Row(Register(name, 64, "int", feature=SEGMENT_BASES), name) for name in ("fs_base", "gs_base")]
    if "ymm0h" in engine_names:
        rows += _avx(is_64bit)
    g_count = len(rows)
    if architecture is not Architecture.I8086:
        rows.append(_original_rax(architecture))
    rows += _system({row.source for row in rows}, engine_names, is_64bit)
    return Layout(architecture, tuple(rows), g_count)
