"""Requests to drives, as their controllers finish them."""

from __future__ import annotations

from dataclasses import dataclass

from devices.disk.requests import DiskRequest
from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import DiskRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@dataclass(frozen=True, slots=True)
class DiskQuery:
    """Requests to some drives, or to all; with a `sector`, those that move that one."""

    drives: frozenset[str] = frozenset()
    sector: int | None = None

    def begin(self, timeline: Timeline) -> DiskScan:
        return DiskScan(timeline, self)


class DiskScan(RowScan):
    def __init__(self, timeline: Timeline, query: DiskQuery) -> None:
        super().__init__(timeline)
        self._query = query
        timeline.machine.media.listeners.append(self._on_request)

    @property
    def stops(self) -> Stops:
        return Stops()

    def take(self, outcome: Outcome) -> None:
        pass

    def _on_request(self, request: DiskRequest) -> None:
        drives, sector = self._query.drives, self._query.sector
        if drives and request.unit not in drives:
            return
        if sector is not None and not request.sector <= sector < request.sector + request.count:
            return
        done = Position(Tick(request.completed))
        submitted, latency = Position(Tick(request.submitted)), request.completed - request.submitted
        row = DiskRow(done, request.unit, request.operation, request.sector, request.count, submitted, latency)
        self.add(row)
