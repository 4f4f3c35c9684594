"""Page faults of Linux, with who had them."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import ExceptionDelivered
from vmdbg.engine.stops import Catches, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.queries.linux.known import EVERYBODY, KnownLinux, Who
from vmdbg.queries.linux.scan import LinuxScan
from vmdbg.queries.rows import FaultRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

PAGE_FAULT = 14


@dataclass(frozen=True, slots=True)
class FaultQuery:
    """Page faults that were delivered."""

    known: KnownLinux
    who: Who = EVERYBODY

    def begin(self, timeline: Timeline) -> FaultScan:
        return FaultScan(timeline, self)


class FaultScan(LinuxScan):
    def __init__(self, timeline: Timeline, query: FaultQuery) -> None:
        super().__init__(timeline, query.known)
        self._who = query.who

    @property
    def stops(self) -> Stops:
        return Stops(catches=Catches(vectors=frozenset({PAGE_FAULT})))

    def take(self, outcome: Outcome) -> None:
        if not isinstance(outcome, ExceptionDelivered):
            return
        task, found = self.current(), outcome.delivery
        if self._who.matches(task):
            what = describe_error(found.error_code)
            pc = Linear(found.linear_pc)
            self.add(FaultRow(self.timeline.position, task.name, task.pid, what, Linear(found.cr2), pc, self.cpu))


def describe_error(code: int) -> str:
    """The error code of a page fault in words (SDM 3A 4.7): `user write, not present`."""
    access = "fetch" if code & 16 else "write" if code & 2 else "read"
    ring = "user" if code & 4 else "kernel"
    why = "reserved bit" if code & 8 else "protection" if code & 1 else "not present"
    return f"{ring} {access}, {why}"
