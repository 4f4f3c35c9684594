"""System calls decoded: names, parameters and their types as the kernel's own trace metadata has them.

`struct syscall_metadata` (include/trace/syscall.h) exists for every call of a kernel with
CONFIG_FTRACE_SYSCALLS; kallsyms finds them by name. Without it, parameters are raw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.text import escaped
from vmdbg.os.linux.errno_names import errno_name
from vmdbg.os.linux.flag_names import named
from vmdbg.os.linux.walks import guarded
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import LinearMemory

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

ARGUMENT_REGISTERS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
MAX_CALLS = 1024
MAX_TEXT = 64
MAX_ERRNO = 4095
_PREFIX = "__syscall_meta_"
_CODE = "__x64_sys_"
_NOT_THERE = "ni_syscall"
_TEXT_PARAMETERS = frozenset({"filename", "pathname", "path", "oldname", "newname", "dir_name", "dev_name", "name"})
_DATA_WRITERS = frozenset({"write", "pwrite64", "sendto"})


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class SystemCall:
    """What the kernel knows of one call; `parameters` is None where it says nothing."""

    number: int
    name: str
    parameters: tuple[Parameter, ...] | None


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call as it is made. `arguments` are formatted in order of the parameters."""

    number: int
    name: str
    arguments: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={text}' for name, text in self.arguments)})"


class SystemCalls:
    """The 64-bit system call table of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._calls: dict[int, SystemCall] = {}

    @guarded("system call table")
    def call(self, number: int) -> SystemCall:
        """The call of that number; `sys_N` if the table has none."""
        found = self._calls.get(number)
        if found is None:
            found = self._calls[number] = self._find(number)
        return found

    def _find(self, number: int) -> SystemCall:
        kernel = self._kernel
        if not kernel.has_symbol("sys_call_table") or not 0 <= number < MAX_CALLS:
            return SystemCall(number, f"sys_{number}", None)
        entry = kernel.memory.u64(kernel.symbol("sys_call_table") + 8 * number)
        name = next((name for name in kernel.table.names_at(entry) if name.startswith(_CODE)), "")
        name = name.removeprefix(_CODE)
        if not name or (name == _NOT_THERE and number):
            return SystemCall(number, f"sys_{number}", None)
        return SystemCall(number, name.removeprefix("new") if name in _NEW else name, self._parameters(name))

    def _parameters(self, name: str) -> tuple[Parameter, ...] | None:
        kernel = self._kernel
        address = kernel.table.find(f"{_PREFIX}_{name}")
        if address is None:
            return None
        meta = kernel.object("struct syscall_metadata", address)
        count = int(meta.nb_args)
        if not 0 <= count <= len(ARGUMENT_REGISTERS):
            return None
        return tuple(Parameter(meta.args[i].string_(MAX_TEXT), meta.types[i].string_(MAX_TEXT)) for i in range(count))

    def invocation(self, registers: dict[str, int], memory: LinearMemory | None) -> Invocation:
        """The call that these registers make: of SYSCALL, or of the `pt_regs` saved at its entry.

        `memory` is the caller's address space, for the text that arguments point to.
        """
        number = registers.get("orig_rax", registers.get("rax", 0)) & 0xFFFF_FFFF
        return invocation(self.call(number), [registers.get(name, 0) for name in ARGUMENT_REGISTERS], memory)

    def all(self) -> tuple[SystemCall, ...]:
        """Every call that the table has, by number."""
        found = (self.call(number) for number in range(MAX_CALLS))
        return tuple(call for call in found if not call.name.startswith("sys_"))


def invocation(call: SystemCall, values: Sequence[int], memory: LinearMemory | None) -> Invocation:
    """A call with the values of ARGUMENT_REGISTERS; `memory` as SystemCalls.invocation() takes it."""
    if call.parameters is None:
        raw = tuple((name, f"{value:#x}") for name, value in zip(ARGUMENT_REGISTERS, values, strict=True))
        return Invocation(call.number, call.name, raw)
    shown = tuple(
        (parameter.name, _format(call, parameter, value, values, memory))
        for parameter, value in zip(call.parameters, values, strict=False)
    )
    return Invocation(call.number, call.name, shown)


_NEW = frozenset({"newstat", "newfstat", "newlstat", "newuname"})


def _format(
    call: SystemCall, parameter: Parameter, value: int, values: Sequence[int], memory: LinearMemory | None
) -> str:
    kind = parameter.type
    if "char *" in kind and (parameter.name in _TEXT_PARAMETERS or "const" in kind):
        limit = min(values[2], MAX_TEXT) if call.name in _DATA_WRITERS else None
        return _text(value, memory, limit)
    if "*" in kind:
        return f"{value:#x}" if value else "NULL"
    name = named(call.name, parameter.name, value)
    if name is not None:
        return name
    if kind in ("unsigned long", "size_t", "off_t", "loff_t") or "flags" in parameter.name:
        return f"{value:#x}" if value > 9 and kind == "unsigned long" else str(value)
    if kind.startswith("unsigned") or kind in ("umode_t", "uid_t", "gid_t", "u32"):
        return f"{value & 0xFFFF_FFFF:#o}" if kind == "umode_t" else str(value & 0xFFFF_FFFF)
    low = value & 0xFFFF_FFFF
    return str((low ^ 0x8000_0000) - 0x8000_0000) if kind in ("int", "pid_t", "clockid_t") else str(value)


def _text(address: int, memory: LinearMemory | None, limit: int | None) -> str:
    if not address:
        return "NULL"
    if memory is None:
        return f"{address:#x}"
    raw = memory.read_prefix(Linear(address), MAX_TEXT if limit is None else limit)
    end = raw.find(b"\0") if limit is None else len(raw)
    if not raw and limit != 0:
        return f"{address:#x}"
    more = "..." if end < 0 or (limit == MAX_TEXT) else ""
    text = raw[: end if end >= 0 else None].decode("utf-8", "surrogateescape")
    return f'"{escaped(text)}"{more}'


def format_return(value: int) -> str:
    """What a call returned: a number, or `-ENOENT`."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    negative = (1 << 64) - value
    if 0 < negative <= MAX_ERRNO:
        return f"-{errno_name(negative)}"
    return str(value) if value < 1 << 32 else f"{value:#x}"
