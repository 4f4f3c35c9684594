"""Every register with its name, size and group, and the fields of those that have any.

Names follow GDB's target description where it has one (`eflags` is an alias of `rflags`, `fctrl` and so on
are the x87 environment) and the SDM elsewhere. A segment register `cs` comes with `cs_base`, `cs_limit` and
`cs_flags`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vmdbg.x86.exceptions import PAGE_FAULT_ERROR, SELECTOR_ERROR
from vmdbg.x86.fields import BitField, Field, decode_fields, flag_words
from vmdbg.x86.msr import EFER_LAYOUT, MSRS
from vmdbg.x86.register_layouts import (
    CR0,
    CR3,
    CR4,
    CR8,
    DR6,
    DR7,
    FCTRL,
    FSTAT,
    MXCSR,
    PKRU,
    RFLAGS,
    SEGMENT_ATTRIBUTES,
    SELECTOR,
)


class Group(Enum):
    """What belongs together in a listing."""

    GENERAL = "general"
    SEGMENT = "segment"
    CONTROL = "control"
    DEBUG = "debug"
    SYSTEM = "system"
    X87 = "x87"
    SSE = "sse"
    AVX = "avx"
    MSR = "msr"
    PSEUDO = "pseudo"


@dataclass(frozen=True, slots=True)
class Register:
    """One register. `writable` is False for those that only the CPU or the monitor sets.

    `optional` ones are not every model's.
    """

    name: str
    bits: int
    group: Group
    description: str = ""
    layout: tuple[BitField, ...] = ()
    writable: bool = True
    optional: bool = False

    def decode(self, value: int) -> tuple[Field, ...]:
        """The fields of `value`; empty for a register that is one number."""
        return decode_fields(self.layout, value) if self.layout else ()


SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
GENERAL = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
_X87_CONTROL = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")
_X87_LAYOUTS = {"fctrl": FCTRL, "fstat": FSTAT}


def _segment(name: str, group: Group) -> tuple[Register, ...]:
    return (
        Register(name, 16, group, f"{name.upper()} selector", SELECTOR),
        Register(f"{name}_base", 64, group, f"{name.upper()} base"),
        Register(f"{name}_limit", 32, group, f"{name.upper()} limit in bytes"),
        Register(f"{name}_flags", 32, group, f"{name.upper()} attributes", SEGMENT_ATTRIBUTES),
    )


def _registers() -> tuple[Register, ...]:
    named = [Register(name, 64, Group.GENERAL) for name in GENERAL]
    named.append(Register("rip", 64, Group.GENERAL, "instruction pointer, an offset in CS"))
    named.append(Register("rflags", 64, Group.GENERAL, "flags", RFLAGS))
    for name in SEGMENTS:
        named += _segment(name, Group.SEGMENT)
    for name in ("ldtr", "tr"):
        named += _segment(name, Group.SYSTEM)
    for name in ("gdtr", "idtr"):
        named.append(Register(f"{name}_base", 64, Group.SYSTEM, f"{name.upper()} base"))
        named.append(Register(f"{name}_limit", 16, Group.SYSTEM, f"{name.upper()} limit in bytes"))
    named += [
        Register("cr0", 64, Group.CONTROL, "mode and paging control", CR0),
        Register("cr2", 64, Group.CONTROL, "linear address of the last page fault"),
        Register("cr3", 64, Group.CONTROL, "top page table", CR3),
        Register("cr4", 64, Group.CONTROL, "extensions", CR4),
        Register("cr8", 64, Group.CONTROL, "task priority", CR8),
        Register("pkru", 32, Group.CONTROL, "rights of protection keys for user pages", PKRU, optional=True),
        Register("efer", 64, Group.CONTROL, "extended feature enables", EFER_LAYOUT),
        *(Register(f"dr{n}", 64, Group.DEBUG, f"linear address of breakpoint {n}") for n in range(4)),
        Register("dr6", 64, Group.DEBUG, "debug status", DR6),
        Register("dr7", 64, Group.DEBUG, "debug control", DR7),
        *(Register(f"st{n}", 80, Group.X87, "x87 stack, relative to TOP") for n in range(8)),
        *(Register(name, 32, Group.X87, layout=_X87_LAYOUTS.get(name, ())) for name in _X87_CONTROL),
        *(Register(f"xmm{n}", 128, Group.SSE) for n in range(16)),
        Register("mxcsr", 32, Group.SSE, "SSE control and status", MXCSR),
        *(Register(f"ymm{n}", 256, Group.AVX, optional=True) for n in range(16)),
    ]
    known = {register.name for register in named}
    named += [Register(msr.name, 64, Group.MSR, msr.description, msr.layout) for msr in MSRS if msr.name not in known]
    named += [
        Register("tick", 64, Group.PSEUDO, "the guest's clock: bytes of code retired", writable=False),
        Register("linear_pc", 64, Group.PSEUDO, "linear address of the next instruction", writable=False),
        Register("cpl", 8, Group.PSEUDO, "current privilege level", writable=False),
        Register("cpu", 8, Group.PSEUDO, "number of the CPU", writable=False),
    ]
    return tuple(named)


REGISTERS: tuple[Register, ...] = _registers()
BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}

ALIASES = {
    "eflags": "rflags",
    "flags": "rflags",
    "pc": "rip",
    "sp": "rsp",
    "k_gs_base": "kernel_gs_base",
    "gdtr": "gdtr_base",
    "idtr": "idtr_base",
    **{f"st({n})": f"st{n}" for n in range(8)},
}
_OTHER_LAYOUTS = {"pf_error_code": PAGE_FAULT_ERROR, "selector_error_code": SELECTOR_ERROR}


@dataclass(frozen=True, slots=True)
class SubRegister:
    """A part of a general register by its own name: `eax` is bits 31:0 of `rax`, `ah` bits 15:8.

    Writing the 32-bit one clears the upper half, as the CPU does in 64-bit mode; others leave the rest.
    """

    parent: str
    low: int
    bits: int

    def extract(self, value: int) -> int:
        return value >> self.low & (1 << self.bits) - 1

    def insert(self, whole: int, value: int) -> int:
        """The parent's new value when this part of `whole` becomes `value`."""
        mask = (1 << self.bits) - 1
        if self.bits == 32:
            return value & mask
        return whole & ~(mask << self.low) | (value & mask) << self.low


def _sub_registers() -> dict[str, SubRegister]:
    parts = {"eip": SubRegister("rip", 0, 32), "ip": SubRegister("rip", 0, 16)}
    for name in GENERAL[:8]:
        short = name[1:]
        parts[f"e{short}"] = SubRegister(name, 0, 32)
        parts[short] = SubRegister(name, 0, 16)
        parts[f"{short[0]}l" if short[1] == "x" else f"{short}l"] = SubRegister(name, 0, 8)
        if short[1] == "x":
            parts[f"{short[0]}h"] = SubRegister(name, 8, 8)
    for name in GENERAL[8:]:
        for suffix, bits in (("d", 32), ("w", 16), ("b", 8)):
            parts[f"{name}{suffix}"] = SubRegister(name, 0, bits)
    return parts


SUB_REGISTERS: dict[str, SubRegister] = _sub_registers()


def find_register(name: str) -> Register | None:
    """A whole register by name or alias, in any case, with or without `$` or `%`."""
    word = name.strip().lstrip("$%").lower()
    return BY_NAME.get(ALIASES.get(word, word))


def decode(name: str, value: int) -> tuple[Field, ...]:
    """The fields of a register's value; also of `pf_error_code` and `selector_error_code`.

    Empty for a register without fields. Raises KeyError for a name that is none.
    """
    layout = _OTHER_LAYOUTS.get(name)
    if layout is not None:
        return decode_fields(layout, value)
    register = find_register(name)
    if register is None:
        raise KeyError(name)
    return register.decode(value)


def set_flags(name: str, value: int) -> str:
    """What is set in a register's value: see flag_words()."""
    return flag_words(decode(name, value))
