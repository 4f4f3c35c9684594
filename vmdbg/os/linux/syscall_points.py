"""Where to stop to see every 64-bit system call enter and leave, and what it says there.

arch/x86/entry/entry_64.S: SYSCALL enters at LSTAR with the caller's registers; both ways back to user space
start with a `struct pt_regs` at the stack pointer, whose `orig_ax` is the call's number, or -1 after an
interrupt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.syscalls import Invocation, SystemCalls, format_return
from vmdbg.os.linux.tasks import current_address, user_memory
from vmdbg.os.linux.walks import guarded
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel
    from vmdbg.os.linux.unwind import Unwinder

EXITS = ("syscall_return_via_sysret", "swapgs_restore_regs_and_return_to_usermode", "common_interrupt_return")
_USER = 3
_LAST_NUMBER = 1 << 31


@dataclass(frozen=True, slots=True)
class Entered:
    """A task makes a call."""

    task: str
    pid: int
    call: Invocation

    def __str__(self) -> str:
        return f"{self.task}[{self.pid}] {self.call}"


@dataclass(frozen=True, slots=True)
class Returned:
    """A call ends with `value`, as two's complement in 64 bits."""

    task: str
    pid: int
    number: int
    name: str
    value: int

    def __str__(self) -> str:
        return f"{self.task}[{self.pid}] {self.name} = {format_return(self.value)}"


def entry_points(kernel: Kernel) -> tuple[Linear, ...]:
    """Where calls come in."""
    return (Linear(kernel.view.register("lstar")),)


def exit_points(kernel: Kernel) -> tuple[Linear, ...]:
    """Where the kernel is about to return to user space, from calls and from interrupts."""
    found = {kernel.symbols.find(name) for name in EXITS}
    return tuple(sorted(address for address in found if address is not None))


@guarded("system call")
def system_call_here(kernel: Kernel, calls: SystemCalls, unwinder: Unwinder) -> Entered | Returned | None:
    """What happens at the instruction that the processor is at; None at every other, and after interrupts."""
    view = kernel.view
    here = view.register("rip")
    if here in entry_points(kernel):
        registers = {name: view.register(name) for name in ("rax", "rdi", "rsi", "rdx", "r10", "r8", "r9")}
        task = kernel.object("struct task_struct", current_address(kernel))
        call = calls.invocation(registers, user_memory(kernel, task))
        return Entered(task.comm.string_(), int(task.pid), call)
    if here not in exit_points(kernel):
        return None
    saved = unwinder.saved_registers(view.register("rsp"))
    if saved["cs"] & _USER != _USER or saved["orig_rax"] >= _LAST_NUMBER:
        return None
    task = kernel.object("struct task_struct", current_address(kernel))
    name = calls.call(saved["orig_rax"]).name
    return Returned(task.comm.string_(), int(task.pid), saved["orig_rax"], name, saved["rax"])
