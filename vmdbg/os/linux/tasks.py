"""Tasks: `ps`, the current one, states and CPU time as /proc shows them (fs/proc/array.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.errors import UserError
from vmdbg.os.linux.walks import guarded, list_entries
from vmdbg.os.seam import NotThereYetError, Task
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import LinearMemory

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_TASKS = 1 << 16
MAX_COMMAND_LINE = 4096
PF_KTHREAD = 0x0020_0000
_LETTERS = "RSDTtXZP"
_REPORTED = 0x7F
_IDLE = 0x402
_RTLOCK_WAIT = 0x1000
_FROZEN = 0x8000


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """In nanoseconds. `user` and `system` are as the timer tick counted them, `run` is exact."""

    user: int
    system: int
    run: int
    started: int


def task_values(kernel: Kernel) -> Iterator[Value]:
    """Each `struct task_struct`: every thread of every process, and the idle task first."""
    type_ = kernel.type("struct task_struct")
    idle = kernel.object("struct task_struct", "init_task")
    if not int.from_bytes(kernel.read(idle.tasks.address_ or 0, 8), "little"):
        raise NotThereYetError("list of tasks")
    yield idle
    for leader in list_entries(idle.tasks, type_, "tasks", MAX_TASKS):
        yield leader
        if leader.has_("thread_node") and leader.signal:
            for thread in list_entries(leader.signal.thread_head, type_, "thread_node", MAX_TASKS):
                if thread.address_ != leader.address_:
                    yield thread


@guarded("list of tasks")
def tasks(kernel: Kernel, with_idle: bool = False) -> tuple[Task, ...]:
    """All tasks as a tree: children behind their parents, threads behind their leader, `depth` deep."""
    rows = [_task(kernel, value) for value in task_values(kernel)]
    return tuple(_as_tree(rows if with_idle else [row for row in rows if row.pid]))


def _as_tree(rows: list[Task]) -> Iterator[Task]:
    children: dict[int, list[Task]] = {}
    known = {row.pid for row in rows}
    for row in rows:
        above = row.process if row.process != row.pid else row.parent
        children.setdefault(above if above in known and above != row.pid else -1, []).append(row)
    pending = [(row, 0) for row in reversed(children.pop(-1, []))]
    while pending:
        row, depth = pending.pop()
        yield replace(row, depth=depth)
        pending += [(child, depth + 1) for child in reversed(children.pop(row.pid, []))]


def _task(kernel: Kernel, value: Value) -> Task:
    assert value.address_ is not None
    cpu = _cpu(value)
    return Task(
        int(value.pid),
        int(value.tgid),
        int(value.real_parent.tgid),
        value.comm.string_(),
        state_letter(value),
        Linear(value.address_),
        int(value.se.sum_exec_runtime),
        bool(int(value.flags) & PF_KTHREAD) or not int(value.pid),
        value.address_ == current_address(kernel),
        0,
        command_line(kernel, value),
        cpu,
        value.address_ == current_address(kernel, cpu),
    )


def _cpu(value: Value) -> int:
    """The processor that a task is on, or was on last; it moved into `thread_info` in 5.16."""
    path = next((path for path in ("thread_info.cpu", "cpu") if value.has_(path)), None)
    return int(value.member_(path)) if path is not None else 0


def state_letter(value: Value) -> str:
    """As /proc/PID/stat: R running, S sleeping, D uninterruptible, I idle, T stopped, t traced, Z zombie."""
    return letter_of(int(value.first_("__state", "state")), int(value.exit_state))


def letter_of(state: int, exit_state: int) -> str:
    """state_letter() of the two members."""
    if state & _IDLE == _IDLE:
        return "I"
    if state & (_RTLOCK_WAIT | _FROZEN):
        return "D"
    reported = (state | exit_state) & _REPORTED
    return _LETTERS[reported.bit_length()] if reported.bit_length() < len(_LETTERS) else "?"


def times(value: Value) -> TaskTimes:
    return TaskTimes(int(value.utime), int(value.stime), int(value.se.sum_exec_runtime), int(value.start_time))


def current_address(kernel: Kernel, cpu: int | None = None) -> int:
    """Of the task that a processor runs, 0 before there is one. None: the processor that is looked at."""
    cpu = kernel.processors.here if cpu is None else cpu
    return 0 if cpu is None else kernel.running.get(cpu, 0)


@guarded("current task")
def current(kernel: Kernel, cpu: int | None = None) -> Task:
    """Of a processor; None: of the one that is looked at."""
    address = current_address(kernel, kernel.cpu if cpu is None else cpu)
    if not address:
        raise NotThereYetError("current task")
    return _task(kernel, kernel.object("struct task_struct", address))


@guarded("current task")
def running(kernel: Kernel) -> tuple[Task, ...]:
    """What each processor runs that is online."""
    return tuple(current(kernel, cpu) for cpu in kernel.processors.online if current_address(kernel, cpu))


@guarded("list of tasks")
def find_task(kernel: Kernel, pid: int) -> Value:
    """The `struct task_struct` of a thread. Raises `UserError` if there is none."""
    for value in task_values(kernel):
        if int(value.pid) == pid:
            return value
    if pid == 1:
        raise NotThereYetError("process 1")
    raise UserError(f"no task with pid {pid} in the guest; `ps` lists them")


def user_memory(kernel: Kernel, value: Value) -> LinearMemory | None:
    """The address space of a task; None for a kernel thread."""
    mm = value.mm
    if not mm:
        return None
    root = kernel.memory.translate(int(mm.pgd))
    return None if root is None else kernel.memory.with_root(root)


def command_line(kernel: Kernel, value: Value) -> str:
    """The arguments, as far as their pages are there; "" for kernel threads."""
    memory = user_memory(kernel, value)
    if memory is None:
        return ""
    start, end = int(value.mm.arg_start), int(value.mm.arg_end)
    raw = memory.read_prefix(Linear(start), max(0, min(end - start, MAX_COMMAND_LINE)))
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
