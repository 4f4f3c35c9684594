"""Oopses and panics, caught where the kernel reports them and shown with types and stack.

arch/x86/kernel/dumpstack.c: `__die(const char *, struct pt_regs *, long)`; kernel/panic.c:
`panic(const char *, ...)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.printk_format import formatted
from vmdbg.os.linux.tasks import current_address
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import Backtrace
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

DIE, PANIC = "__die", "panic"
_VARIABLE_ARGUMENTS = ("rsi", "rdx", "rcx", "r8", "r9")
_STACK_ARGUMENTS = 4
_VECTORS = {
    "Oops": 14, "general protection": 13, "invalid opcode": 6, "divide error": 0, "int3": 3, "stack segment": 12,
    "double fault": 8, "segment not present": 11, "invalid TSS": 10, "alignment check": 17,
}  # fmt: skip
"""What __die() is told of exceptions (arch/x86/kernel/traps.c, arch/x86/mm/fault.c)."""
MAX_TEXT = 256


@dataclass(frozen=True, slots=True)
class Oops:
    """`message` is the kernel's; `registers` are those of the fault, or of the call of panic().

    `vector`, `error_code` and `address` (CR2) are of the exception behind an oops, `vector` if it can be told.
    """

    is_panic: bool
    message: str
    vector: int | None
    error_code: int
    address: Linear
    task: str
    pid: int
    registers: dict[str, int]
    backtrace: Backtrace


def oops_entries(kernel: Kernel) -> dict[str, Linear]:
    """Where to stop to see every oops and panic of this kernel."""
    found = {name: kernel.table.find(name) for name in (DIE, PANIC)}
    return {name: Linear(address) for name, address in found.items() if address is not None}


@guarded("oops")
def oops(kernel: Kernel, unwinder: Unwinder) -> Oops | None:
    """The oops being reported, when the processor is at one of `oops_entries`; else None."""
    here = kernel.view.register("rip")
    name = next((name for name, address in oops_entries(kernel).items() if address == here), None)
    if name is None:
        return None
    task = kernel.object("struct task_struct", current_address(kernel))
    who = task.comm.string_(), int(task.pid)
    message = _message(kernel, kernel.view.register("rdi"))
    if name == PANIC:
        trace = unwinder.current(task)
        text = formatted(kernel, message, _variable_arguments(kernel)).strip()
        return Oops(True, text, None, 0, Linear(0), *who, dict(trace.frames[0].registers), trace)
    registers = unwinder.saved_registers(kernel.view.register("rsi"))
    trace = unwinder.interrupted(task, registers)
    vector = next((vector for words, vector in _VECTORS.items() if message.startswith(words)), None)
    code = kernel.view.register("rdx")
    return Oops(False, message, vector, code, Linear(kernel.view.register("cr2")), *who, registers, trace)


def _message(kernel: Kernel, address: int) -> str:
    try:
        return kernel.string(address, MAX_TEXT)
    except UnmappedLinearError:
        return f"<no text at {address:#x}>"


def _variable_arguments(kernel: Kernel) -> Iterator[int]:
    """What follows a format at a function's first instruction (System V ABI 3.2.3)."""
    view = kernel.view
    yield from (view.register(name) for name in _VARIABLE_ARGUMENTS)
    first = view.register("rsp") + 8
    yield from (kernel.memory.u64(Linear(first + 8 * n)) for n in range(_STACK_ARGUMENTS))
