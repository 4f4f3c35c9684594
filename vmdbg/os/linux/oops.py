"""Oopses and panics, caught where the kernel reports them and shown with types and stack.

arch/x86/kernel/dumpstack.c: `__die(const char *, struct pt_regs *, long)`; kernel/panic.c:
`panic(const char *, ...)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.tasks import current_address
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import Backtrace
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

ENTRIES = ("__die", "panic", "vpanic")
MAX_TEXT = 256


@dataclass(frozen=True, slots=True)
class Oops:
    """`message` is the kernel's, for a panic its format; `registers` are those of the fault."""

    kind: str
    message: str
    error_code: int
    task: str
    pid: int
    registers: dict[str, int]
    backtrace: Backtrace


def oops_entries(kernel: Kernel) -> dict[str, Linear]:
    """Where to stop to see every oops and panic of this kernel."""
    found = {name: kernel.symbols.find(name) for name in ENTRIES}
    return {name: address for name, address in found.items() if address is not None}


@guarded("oops")
def oops(kernel: Kernel, unwinder: Unwinder) -> Oops | None:
    """The oops being reported, when the processor is at one of `oops_entries`; else None."""
    here = kernel.view.register("rip")
    name = next((name for name, address in oops_entries(kernel).items() if address == here), None)
    if name is None:
        return None
    task = kernel.object("struct task_struct", current_address(kernel))
    message = _message(kernel, kernel.view.register("rdi"))
    if name == "__die":
        registers = unwinder.saved_registers(kernel.view.register("rsi"))
        trace = unwinder.interrupted(task, registers)
    else:
        trace = unwinder.current(task)
        registers = dict(trace.frames[0].registers)
    code = kernel.view.register("rdx") if name == "__die" else 0
    return Oops(name, message, code, task.comm.string_(), int(task.pid), registers, trace)


def _message(kernel: Kernel, address: int) -> str:
    try:
        return kernel.string(address, MAX_TEXT)
    except UnmappedLinearError:
        return f"<no text at {address:#x}>"
