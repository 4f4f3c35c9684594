"""Reads and writes of memory, and executions of code."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import Access, BreakpointHit, WatchHit, WatchpointHit
from vmdbg.engine.stops import Breakpoints, Stops, Watchpoint
from vmdbg.machine.outcome import Outcome
from vmdbg.queries.rows import AccessRow, ExecutionRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.timeline.touched import Mappings
from vmdbg.units import Linear, Physical


@dataclass(frozen=True, slots=True)
class AccessQuery:
    """Accesses to `size` bytes from `address`."""

    address: int
    size: int
    accesses: frozenset[Access]
    physical: bool = False
    mapped: Mappings = frozenset()
    """Where that is when it is asked."""

    def begin(self, timeline: Timeline) -> AccessScan:
        timeline.index.note_mapped(self.mapped)
        return AccessScan(timeline, self.stops)

    @property
    def stops(self) -> Stops:
        return Stops(watchpoints=(Watchpoint(0, self.address, self.size, self.accesses, self.physical),))


class AccessScan(RowScan):
    def __init__(self, timeline: Timeline, stops: Stops) -> None:
        super().__init__(timeline)
        self._stops = stops

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, WatchpointHit):
            for hit in outcome.hits:
                self.add(access_row(self.timeline, hit))


def access_row(timeline: Timeline, hit: WatchHit) -> AccessRow:
    """The row of a hit that has just been made."""
    engine = timeline.machine.engine
    return AccessRow(
        timeline.position,
        None if hit.device else hit.pc,
        hit.access,
        hit.linear,
        hit.physical,
        hit.old,
        hit.looked_at(engine.read_physical).new,
        engine.read_register("cr3"),
        hit.device,
        hit.request,
        None if hit.device else engine.selected,
    )


@dataclass(frozen=True, slots=True)
class ExecutionQuery:
    """Executions of the instructions at some linear, or physical, addresses."""

    addresses: tuple[int, ...]
    physical: bool = False

    def begin(self, timeline: Timeline) -> ExecutionScan:
        return ExecutionScan(timeline, self)

    @property
    def stops(self) -> Stops:
        if self.physical:
            return Stops(Breakpoints(physical=tuple(Physical(address) for address in self.addresses)))
        return Stops(Breakpoints(linear=tuple(Linear(address) for address in self.addresses)))


class ExecutionScan(RowScan):
    def __init__(self, timeline: Timeline, query: ExecutionQuery) -> None:
        super().__init__(timeline)
        self._stops = query.stops

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, BreakpointHit):
            rsp, cr3 = self.engine.read_registers(("rsp", "cr3"))
            self.add(ExecutionRow(self.timeline.position, Linear(self.engine.linear_pc), rsp, cr3, self.cpu))
