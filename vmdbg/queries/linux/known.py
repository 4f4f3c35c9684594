"""What a scan needs to know of a kernel, found once where all of it is known. It can be sent to another process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vmdbg.errors import UserError
from vmdbg.os.linux.call_queues import CallQueues
from vmdbg.os.linux.current_locator import CurrentLocator
from vmdbg.os.linux.operating_system import Linux
from vmdbg.os.linux.slab_locator import SlabLocator, slab_locator
from vmdbg.os.linux.syscall_points import exit_points
from vmdbg.os.linux.syscalls import SystemCall
from vmdbg.os.linux.types import Type
from vmdbg.os.seam import CurrentTask, is_called
from vmdbg.units import Linear

NOBODY = CurrentTask(Linear(0), 0, 0, "")


@dataclass(frozen=True, slots=True)
class Range:
    """The code of a function."""

    start: Linear
    end: int


@dataclass(frozen=True, slots=True)
class Member:
    """Of `struct task_struct`."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class TaskLayout:
    """None for what a kernel does not have."""

    state: Member
    exit_state: Member
    on_rq: Member
    delayed: Member | None


@dataclass(frozen=True, slots=True)
class KnownLinux:
    """Good for the whole of a boot."""

    locator: CurrentLocator
    calls: Mapping[int, SystemCall]
    exits: tuple[Linear, ...]
    layout: TaskLayout
    slab: SlabLocator
    functions: Mapping[str, Range] = field(default_factory=dict)
    """Those of WATCHED that this kernel has."""
    calls_between_cpus: CallQueues | None = None

    def function(self, name: str) -> Linear:
        """Raises UserError."""
        found = self.functions.get(name)
        if found is None:
            raise UserError(f"this kernel has no function {name}: the question cannot be answered")
        return found.start


@dataclass(frozen=True, slots=True)
class Who:
    """Whose events are wanted: of a thread or process by number, by name, or everybody's."""

    number: int | None = None
    name: str = ""

    @staticmethod
    def parse(text: str) -> Who:
        return Who(int(text)) if text.isdigit() else Who(None, text)

    def matches(self, task: CurrentTask) -> bool:
        if self.number is not None:
            return self.number in (task.pid, task.process)
        return not self.name or is_called(task.name, self.name)


EVERYBODY = Who()


def known_linux(linux: Linux, functions: Iterable[str]) -> KnownLinux:
    """Of a kernel that has come up. `functions` are those whose places are wanted, as far as there are."""
    kernel = linux.kernel
    task = kernel.type("struct task_struct")
    places = {}
    for name in functions:
        address = kernel.table.find(name)
        if address is not None:
            location = kernel.table.nearest(address)
            size = location.symbol.size if location is not None else 0
            places[name] = Range(Linear(address), address + max(size, 1))
    return KnownLinux(
        linux.current_locator(),
        {call.number: call for call in linux.system_calls.all()},
        exit_points(kernel),
        TaskLayout(
            _member(task, "__state" if task.has("__state") else "state"),
            _member(task, "exit_state"),
            _member(task, "on_rq"),
            _member(task, "se.sched_delayed") if task.has("se.sched_delayed") else None,
        ),
        slab_locator(kernel),
        places,
        linux.call_queues(),
    )


def _member(task: Type, path: str) -> Member:
    field = task.field(path)
    return Member(field.offset, field.type.size)
