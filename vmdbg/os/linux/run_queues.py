"""The run queues: what each processor runs, and who waits for it (kernel/sched/sched.h, `struct rq`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.tasks import state_letter
from vmdbg.os.linux.walks import guarded, list_entries, rb_entries
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_QUEUED = 1 << 16
_REAL_TIME = 100
_DEADLINE = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """A task on a run queue. `priority` as top(1) writes it: 20 for nice 0, `rt` less the real-time priority, `dl`.

    `vruntime` is what the fair class orders by, in nanoseconds; None for the others.
    """

    task: Linear
    pid: int
    name: str
    state: str
    priority: str
    vruntime: int | None


@dataclass(frozen=True, slots=True)
class RunQueue:
    """Of one processor. `count` is what the kernel counts as running, `current` among them unless it is idle.

    `queued` are those on the queue beside `current`, in no order but that of the kernel's lists.
    """

    cpu: int
    current: Queued
    is_idle: bool
    count: int
    queued: tuple[Queued, ...]


@guarded("run queues")
def run_queues(kernel: Kernel) -> tuple[RunQueue, ...]:
    """Of the processors that are online."""
    return tuple(_run_queue(kernel, cpu) for cpu in kernel.processors.online)


def _run_queue(kernel: Kernel, cpu: int) -> RunQueue:
    queue = kernel.per_cpu("runqueues", cpu)
    current = queue.curr.dereference_()
    others = {value.address_: value for value in _on_queue(kernel, queue) if value.address_ != current.address_}
    return RunQueue(
        cpu,
        _queued(current),
        int(queue.curr) == int(queue.idle),
        int(queue.nr_running),
        tuple(map(_queued, others.values())),
    )


def _on_queue(kernel: Kernel, queue: Value) -> Iterator[Value]:
    task = kernel.type("struct task_struct")
    yield from rb_entries(queue.dl.root, task, "dl.rb_node", MAX_QUEUED)
    for head in queue.rt.active.queue:
        if int(head.next) != head.address_:
            yield from list_entries(head, task, "rt.run_list", MAX_QUEUED)
    if queue.has_("cfs_tasks"):
        yield from list_entries(queue.cfs_tasks, task, "se.group_node", MAX_QUEUED)


def _queued(task: Value) -> Queued:
    priority = int(task.prio)
    fair = priority >= _REAL_TIME
    assert task.address_ is not None
    return Queued(
        Linear(task.address_),
        int(task.pid),
        task.comm.string_(),
        state_letter(task),
        _shown(priority),
        int(task.se.vruntime) if fair else None,
    )


def _shown(priority: int) -> str:
    if priority >= _REAL_TIME:
        return str(priority - _REAL_TIME)
    return "dl" if priority < _DEADLINE else f"rt {_REAL_TIME - 1 - priority}"
