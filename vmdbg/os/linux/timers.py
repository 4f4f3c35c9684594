"""Pending timers: high-resolution ones and those of the timer wheel (kernel/time/hrtimer.c, timer.c)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.types import Kind, NoSuchTypeError
from vmdbg.c.values import Value
from vmdbg.os.linux.walks import guarded, hlist_entries, rb_entries

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_TIMERS = 1 << 16
_DELAYED_WORK = "delayed_work_timer_fn"
_AROUND = {
    "hrtimer_wakeup": "struct hrtimer_sleeper",
    "process_timeout": "struct process_timer",
    _DELAYED_WORK: "struct delayed_work",
}
"""What holds the timer, as its member `timer`, by the function that it calls."""
CLOCKS = ("monotonic", "realtime", "boottime", "tai")


@dataclass(frozen=True, slots=True)
class Timer:
    """`expires` is in nanoseconds of `clock`; for the clock "jiffies" in jiffies.

    `purpose` is the task that it wakes or the work that it queues, where the function is one of the common ones.
    """

    cpu: int
    clock: str
    expires: int
    function: str
    address: int
    purpose: str = ""


@guarded("timers")
def timers(kernel: Kernel) -> tuple[Timer, ...]:
    """Of all processors, each clock's in the order they expire."""
    found: list[Timer] = []
    for cpu in kernel.processors.online:
        found += _high_resolution(kernel, cpu)
        found += sorted(_wheel(kernel, cpu), key=lambda timer: timer.expires)
    return tuple(found)


def _high_resolution(kernel: Kernel, cpu: int) -> Iterator[Timer]:
    bases = kernel.per_cpu("hrtimer_bases", cpu)
    for number, base in enumerate(bases.clock_base):
        clock = CLOCKS[number % len(CLOCKS)] + (" (soft)" if number >= len(CLOCKS) else "")
        for value in _queued(kernel, base):
            expires, function = int(value.node.expires), kernel.describe(_function(value))
            yield Timer(cpu, clock, expires, function, value.address_ or 0, _purpose(kernel, value, function))


def _queued(kernel: Kernel, base: Value) -> Iterator[Value]:
    type_ = kernel.type("struct hrtimer")
    return rb_entries(base.active.rb_root.rb_root, type_, "node.node", MAX_TIMERS)


def _purpose(kernel: Kernel, value: Value, function: str) -> str:
    if function not in _AROUND:
        return ""
    try:
        type_ = kernel.type(_AROUND[function])
    except NoSuchTypeError:
        return ""
    around = value.container_of_(type_, "timer")
    if function == _DELAYED_WORK:
        return kernel.describe(int(around.work.func))
    task = around.task
    return f"{task.comm.string_()} ({int(task.pid)})" if task else ""


def _function(value: Value) -> int:
    return int(value.first_("function", "__private_function"))


def _wheel(kernel: Kernel, cpu: int) -> Iterator[Timer]:
    type_ = kernel.type("struct timer_list")
    bases = kernel.per_cpu("timer_bases", cpu)
    for base in bases if bases.type_.strip().kind is Kind.ARRAY else (bases,):
        vectors = base.vectors
        heads = struct.unpack(f"<{len(vectors)}Q", vectors.bytes_())
        for number in (number for number, first in enumerate(heads) if first):
            for value in hlist_entries(vectors[number], type_, "entry", MAX_TIMERS):
                function = kernel.describe(int(value.function))
                purpose = _purpose(kernel, value, function)
                yield Timer(cpu, "jiffies", int(value.expires), function, value.address_ or 0, purpose)
