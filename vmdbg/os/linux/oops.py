"""What a kernel reports as gone wrong, caught where the report begins and shown with types and stack.

Exceptions come by `die`, or `die_addr` if they are general protection, or `__die` alone if they are page faults
(arch/x86/kernel/dumpstack.c, arch/x86/mm/fault.c); panics by `panic` and `vpanic`, warnings by `__warn`.
Watchdogs and checkers have nothing in common but what they print, through `vprintk_emit` (kernel/printk/printk.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING

from vmdbg.os.linux.bugs import bug_at
from vmdbg.os.linux.printk_format import formatted
from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.os.linux.tasks import current_address, find_task
from vmdbg.os.linux.unwind import Unwinder
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import Backtrace
from vmdbg.units import Linear
from vmdbg.x86.exceptions import INVALID_OPCODE
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.c.values import Value
    from vmdbg.os.linux.kernel import Kernel

_VARIABLE_ARGUMENTS = ("rsi", "rdx", "rcx", "r8", "r9")
_STACK_ARGUMENTS = 8
_REGISTER_ARGUMENTS = 48
_VECTORS = {
    "Oops": 14, "general protection": 13, "invalid opcode": 6, "divide error": 0, "int3": 3, "stack segment": 12,
    "double fault": 8, "segment not present": 11, "invalid TSS": 10, "alignment check": 17, "stack guard page": 8,
    "kernel stack overflow (double-fault)": 8, "kernel stack overflow (page fault)": 14,
}  # fmt: skip
"""What die() is told of exceptions (arch/x86/kernel/traps.c, arch/x86/mm/fault.c)."""
MAX_TEXT = 256

Register = Callable[[str], int]
Read = Callable[[Linear, int], bytes]
"""As much as there is of so many bytes."""


_PRINTED = tuple(
    (re.compile(rb"(?:\x01.)?(?:[\w ]+: )?(?:" + pattern + rb")"), kind)
    for pattern, kind in (
        (rb"BUG: soft lockup", ReportKind.SOFT_LOCKUP),
        (rb".*hard LOCKUP", ReportKind.HARD_LOCKUP),
        (rb"INFO: task %s:%d (?:blocked|%s).*for more than", ReportKind.HUNG_TASK),
        (rb"INFO: .*detected (?:expedited )?stall", ReportKind.RCU_STALL),
        (rb"BUG: K[A-Z]*(?:SAN|FENCE)|UBSAN: |BUG %s", ReportKind.MEMORY_ERROR),
        (rb"BUG: (?!kernel NULL pointer|unable to handle|%s stack guard|stack guard|IRQ stack)", ReportKind.BUG),
        (rb"WARNING: (?:possible|inconsistent|suspicious|bad|nested lock|lock held|held lock)", ReportKind.BUG),
    )
)
"""First lines of reports, without level and prefix. Left out are those of exceptions, which come by die() yet."""

_TITLE = re.compile(r"(?:\x01.)?(?:(?:\w+: )?(?:BUG|INFO): )?")
"""What stands before the message, and says no more than its kind."""


class Road(Enum):
    """The function by which a report begins."""

    DIE = "die"
    DIE_ADDRESS = "die_addr"
    PAGE_FAULT = "__die"
    PANIC = "panic"
    PANIC_LIST = "vpanic"
    WARN = "__warn"
    PRINT = "vprintk_emit"


_ON_FROM = {Road.PAGE_FAULT: Road.DIE, Road.PANIC_LIST: Road.PANIC}
"""Roads that lead through others, where the report has been seen already."""


@dataclass(frozen=True, slots=True)
class ReportPoint:
    """Where to stop. It is no report if it was called from [start, end) of `reported`."""

    road: Road
    address: Linear
    reported: tuple[int, int] = (0, 0)

    def kind(self, register: Register, read: Read) -> ReportKind | None:
        """What is reported here, with the processor at the address; None if nothing is."""
        if self.reported[1]:
            caller = int.from_bytes(read(Linear(register("rsp")), 8), "little")
            if self.reported[0] <= caller < self.reported[1]:
                return None
        match self.road:
            case Road.DIE | Road.DIE_ADDRESS | Road.PAGE_FAULT:
                return ReportKind.OOPS
            case Road.PANIC | Road.PANIC_LIST:
                return ReportKind.PANIC
            case Road.WARN:
                return ReportKind.WARNING
            case Road.PRINT:
                return printed_kind(read(Linear(register("rcx")), MAX_TEXT).partition(b"\0")[0])


def printed_kind(text: bytes) -> ReportKind | None:
    """What begins with a line of that format; None for all else."""
    return next((kind for pattern, kind in _PRINTED if pattern.match(text)), None)


@dataclass(frozen=True, slots=True)
class Oops:
    """`message` is the kernel's; `registers` are those of the fault, else of the call that reports.

    `vector`, `error_code` and `address` (CR2) are of the exception behind an oops, `vector` if it can be told.
    `task` and `pid` are whom it is about.
    """

    kind: ReportKind
    message: str
    vector: int | None
    error_code: int
    address: Linear
    task: str
    pid: int
    registers: dict[str, int]
    backtrace: Backtrace


def report_points(kernel: Kernel) -> tuple[ReportPoint, ...]:
    """Where to stop to see every report of this kernel."""
    found = []
    for road in Road:
        address = kernel.table.find(road.value)
        if address is not None:
            through = kernel.table.find(_ON_FROM[road].value) if road in _ON_FROM else None
            end = 0
            if through is not None and (place := kernel.table.nearest(through)) is not None:
                end = through + place.symbol.size
            found.append(ReportPoint(road, Linear(address), (through or 0, end)))
    return tuple(found)


@guarded("oops")
def oops(kernel: Kernel, unwinder: Unwinder) -> Oops | None:
    """The report that begins where the processor is; None if it is at none of `report_points`."""
    view = kernel.view
    point = next((point for point in report_points(kernel) if point.address == view.register("rip")), None)
    kind = point.kind(view.register, kernel.memory.read_prefix) if point is not None else None
    if point is None or kind is None:
        return None
    task = kernel.object("struct task_struct", current_address(kernel))
    match point.road:
        case Road.DIE | Road.DIE_ADDRESS | Road.PAGE_FAULT:
            return _exception(kernel, unwinder, task)
        case Road.PANIC:
            return _told(kernel, unwinder, task, kind, view.register("rdi"), _variable_arguments(kernel))
        case Road.PANIC_LIST:
            return _told(kernel, unwinder, task, kind, view.register("rdi"), _listed(kernel, view.register("rsi")))
        case Road.WARN:
            return _warning(kernel, unwinder, task)
        case Road.PRINT:
            words = list(_listed(kernel, view.register("r8")))
            return _told(kernel, unwinder, _about(kernel, task, kind, words), kind, view.register("rcx"), iter(words))


def _exception(kernel: Kernel, unwinder: Unwinder, task: Value) -> Oops:
    view = kernel.view
    message = _text(kernel, view.register("rdi"))
    registers = unwinder.saved_registers(view.register("rsi"))
    vector = next((vector for words, vector in _VECTORS.items() if message.startswith(words)), None)
    bug = bug_at(kernel, registers["rip"]) if vector == INVALID_OPCODE else None
    if bug is not None:
        message = f"BUG at {bug.place}"
    return Oops(
        ReportKind.OOPS,
        message,
        vector,
        view.register("rdx"),
        Linear(view.register("cr2")),
        *_who(task),
        registers,
        unwinder.interrupted(task, registers),
    )


def _warning(kernel: Kernel, unwinder: Unwinder, task: Value) -> Oops:
    """`__warn(file, line, caller, taint, regs, args)`; `args` are a format and a va_list, `regs` may not be there."""
    view = kernel.view
    file, saved, arguments = view.register("rdi"), view.register("r8"), view.register("r9")
    place = f"{_text(kernel, file)}:{view.register('rsi') & 0xFFFF_FFFF}" if file else ""
    said = ""
    if arguments:
        text, words = (kernel.memory.u64(Linear(arguments + offset)) for offset in (0, 8))
        said = formatted(kernel, _text(kernel, text), _listed(kernel, words)).strip()
    registers = unwinder.saved_registers(saved) if saved else {}
    trace = unwinder.interrupted(task, registers) if registers else unwinder.current(task, view)
    message = " at ".join(part for part in (said, place) if part)
    return Oops(
        ReportKind.WARNING,
        message,
        None,
        0,
        Linear(0),
        *_who(task),
        registers or dict(trace.frames[0].registers),
        trace,
    )


def _told(kernel: Kernel, unwinder: Unwinder, task: Value, kind: ReportKind, text: int, words: Iterator[int]) -> Oops:
    """Of `task`, the running one or another, with a format and what belongs into it."""
    running = task.address_ == current_address(kernel)
    trace = unwinder.current(task, kernel.view) if running else unwinder.sleeping(task)
    message = _TITLE.sub("", formatted(kernel, _text(kernel, text), words)).strip()
    return Oops(kind, message, None, 0, Linear(0), *_who(task), dict(trace.frames[0].registers), trace)


def _about(kernel: Kernel, running: Value, kind: ReportKind, words: list[int]) -> Value:
    """A hung task is another than the one that finds it: its PID is the second thing told."""
    return find_task(kernel, words[1] & 0xFFFF_FFFF) if kind is ReportKind.HUNG_TASK and len(words) > 1 else running


def _who(task: Value) -> tuple[str, int]:
    return task.comm.string_(), int(task.pid)


def _text(kernel: Kernel, address: int) -> str:
    try:
        return kernel.string(address, MAX_TEXT)
    except UnmappedLinearError:
        return f"<no text at {address:#x}>"


def _variable_arguments(kernel: Kernel) -> Iterator[int]:
    """What follows a format at a function's first instruction (System V ABI 3.2.3)."""
    view = kernel.view
    return chain((view.register(name) for name in _VARIABLE_ARGUMENTS), _words(kernel, view.register("rsp") + 8))


def _listed(kernel: Kernel, va_list: int) -> Iterator[int]:
    """What a va_list still holds, as far as it is in general registers and on the stack (System V ABI 3.5.7)."""
    memory = kernel.memory
    used = memory.u32(Linear(va_list))
    overflow, saved = memory.u64(Linear(va_list + 8)), memory.u64(Linear(va_list + 16))
    for offset in range(used, _REGISTER_ARGUMENTS, 8):
        yield memory.u64(Linear(saved + offset))
    yield from _words(kernel, overflow)


def _words(kernel: Kernel, address: int) -> Iterator[int]:
    for number in range(_STACK_ARGUMENTS):
        try:
            yield kernel.memory.u64(Linear(address + 8 * number))
        except UnmappedLinearError:
            return
