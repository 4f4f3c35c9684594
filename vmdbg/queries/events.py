"""Exceptions, interrupts, port accesses and loads of CR3."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.engine.exits import Access, EventCaught, EventKind, ExceptionDelivered
from vmdbg.engine.stops import Catches, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.queries.rows import Cr3Row, DeliveryRow, PortRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

ALL = frozenset(range(256))


@dataclass(frozen=True, slots=True)
class ExceptionQuery:
    """Exceptions, and INT n, that were delivered."""

    vectors: frozenset[int] = ALL

    def begin(self, timeline: Timeline) -> ExceptionScan:
        return ExceptionScan(timeline, self)


class ExceptionScan(RowScan):
    def __init__(self, timeline: Timeline, query: ExceptionQuery) -> None:
        super().__init__(timeline)
        self._stops = Stops(catches=Catches(vectors=query.vectors))

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, ExceptionDelivered):
            d = outcome.delivery
            what = d.kind, d.vector, d.error_code
            self.add(DeliveryRow(self.timeline.position, *what, Linear(d.linear_pc), d.cr2, d.cpl, d.cpu))


@dataclass(frozen=True, slots=True)
class InterruptQuery:
    """External interrupts that the CPU acknowledged, and NMIs, which it does not acknowledge."""

    vectors: frozenset[int] = ALL

    def begin(self, timeline: Timeline) -> InterruptScan:
        return InterruptScan(timeline, self)


class InterruptScan(RowScan):
    def __init__(self, timeline: Timeline, query: InterruptQuery) -> None:
        super().__init__(timeline)
        self._stops = Stops(catches=Catches(interrupts=query.vectors))

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, ExceptionDelivered):
            d = outcome.delivery
            what = d.kind, d.vector, d.error_code
            self.add(DeliveryRow(self.timeline.position, *what, Linear(d.linear_pc), d.cr2, d.cpl, d.cpu))


@dataclass(frozen=True, slots=True)
class PortQuery:
    """Accesses to some ports, or to all."""

    ports: frozenset[int] = frozenset()
    accesses: frozenset[Access] = frozenset(Access)

    def begin(self, timeline: Timeline) -> PortScan:
        return PortScan(timeline, self)


_PORT_EVENTS = {Access.READ: EventKind.PORT_READ, Access.WRITE: EventKind.PORT_WRITE}


class PortScan(RowScan):
    def __init__(self, timeline: Timeline, query: PortQuery) -> None:
        super().__init__(timeline)
        events = frozenset(_PORT_EVENTS[access] for access in query.accesses)
        self._stops = Stops(catches=Catches(events=events, ports=query.ports))

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, EventCaught):
            writes = outcome.kind is EventKind.PORT_WRITE
            pc = Linear(self.timeline.machine.engine.linear_pc)
            access, value = (Access.WRITE, outcome.value) if writes else (Access.READ, None)
            self.add(PortRow(self.timeline.position, pc, access, outcome.subject, value, self.cpu))


@dataclass(frozen=True, slots=True)
class Cr3Query:
    """Loads of CR3."""

    def begin(self, timeline: Timeline) -> Cr3Scan:
        return Cr3Scan(timeline)


class Cr3Scan(RowScan):
    @property
    def stops(self) -> Stops:
        return Stops(catches=Catches(events=frozenset({EventKind.CR3_LOAD})))

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, EventCaught):
            pc = Linear(self.timeline.machine.engine.linear_pc)
            self.add(Cr3Row(self.timeline.position, pc, outcome.subject, outcome.value, self.cpu))
