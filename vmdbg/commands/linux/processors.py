"""runq: what Linux knows of its CPUs."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.document.document import Block, Document, Json, Style, Text, address, count, document, table, text
from vmdbg.os.linux.run_queues import Queued, RunQueue
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session

COLUMNS = (">cpu", "", ">pid", "state", ">prio", ">vruntime", "task", "name")


@command("runq", Group.SYSTEM, aliases=("runqueues", "lx-runq"), examples=("runq",), requires=linux_here)
def runq(session: Session, arguments: Arguments) -> Document:
    """Show the run queue of each CPU: what it runs (=>), what waits for it, and how many the kernel counts."""
    queues = linux_here(session).run_queues()
    blocks: list[Block] = [table(COLUMNS, [row for queue in queues for row in _rows(queue)])]
    for queue in queues:
        listed = len(queue.queued) + (not queue.is_idle)
        if listed != queue.count:
            words = f"CPU {queue.cpu}: the kernel counts {queue.count} that can run, and its lists have {listed}"
            blocks.append(text(words, Style.DIM))
    return document(*blocks, value=[_value(queue) for queue in queues])


def _rows(queue: RunQueue) -> list[tuple[Text, ...]]:
    first = _row(queue.current, "=>", count(queue.cpu), is_idle=queue.is_idle)
    return [first, *(_row(one, "", text("")) for one in queue.queued)]


def _row(task: Queued, mark: str, cpu: Text, *, is_idle: bool = False) -> tuple[Text, ...]:
    return (
        cpu,
        text(mark, Style.CURRENT),
        count(task.pid),
        text("idle" if is_idle else task.state),
        text("" if is_idle else task.priority),
        text("") if is_idle or task.vruntime is None else count(task.vruntime),
        address(task.task),
        text(task.name),
    )


def _value(queue: RunQueue) -> Json:
    return {
        "cpu": queue.cpu,
        "running": queue.count,
        "idle": queue.is_idle,
        "current": _task_value(queue.current),
        "queued": [_task_value(task) for task in queue.queued],
    }


def _task_value(task: Queued) -> Json:
    return {
        "pid": task.pid,
        "name": task.name,
        "state": task.state,
        "priority": task.priority,
        "vruntime": task.vruntime,
        "task": f"{task.task:#x}",
    }
