"""Which of some instructions ran at all: each is looked for until it has."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import BreakpointHit
from vmdbg.engine.stops import Breakpoints, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear


@dataclass(frozen=True, slots=True)
class RanQuery:
    """Its rows are those of the linear addresses that ran, in the order in which they did first."""

    addresses: frozenset[int]

    def begin(self, timeline: Timeline) -> RanScan:
        return RanScan(timeline, self)


class RanScan(RowScan):
    def __init__(self, timeline: Timeline, query: RanQuery) -> None:
        super().__init__(timeline)
        self._left = set(query.addresses)
        self._stops = self._all_stops()

    @property
    def stops(self) -> Stops:
        return self._stops

    def _all_stops(self) -> Stops:
        return Stops(Breakpoints(linear=tuple(Linear(address) for address in sorted(self._left))))

    def take(self, outcome: Outcome) -> None:
        pc = self.engine.linear_pc
        if isinstance(outcome, BreakpointHit) and pc in self._left:
            self._left.discard(pc)
            self._stops = self._all_stops()
            self.add(pc)
