"""Exceptions, interrupts, port accesses and loads of CR3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmdbg.engine.exits import Access, DeliveryKind, EventCaught, EventKind, ExceptionDelivered
from vmdbg.engine.stops import Catches, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import Cr3Row, DeliveryRow, PortRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick
from vmdbg.x86.mode import privilege_level

ALL = frozenset(range(256))


@dataclass(frozen=True, slots=True)
class ExceptionQuery:
    """Exceptions, and INT n, that were delivered."""

    vectors: frozenset[int] = ALL

    def begin(self, timeline: Timeline) -> ExceptionScan:
        return ExceptionScan(timeline, self)


class ExceptionScan:
    wants_more = False

    def __init__(self, timeline: Timeline, query: ExceptionQuery) -> None:
        self.stops = Stops(catches=Catches(vectors=query.vectors))
        self._timeline = timeline
        self._rows: list[DeliveryRow] = []

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, ExceptionDelivered):
            d = outcome.delivery
            self._rows.append(
                DeliveryRow(self._timeline.position, d.kind, d.vector, d.error_code, Linear(d.linear_pc), d.cr2, d.cpl)
            )

    def finish(self) -> Sequence[DeliveryRow]:
        return self._rows


@dataclass(frozen=True, slots=True)
class InterruptQuery:
    """External interrupts that the CPU acknowledged."""

    vectors: frozenset[int] = ALL

    def begin(self, timeline: Timeline) -> InterruptScan:
        return InterruptScan(timeline, self)


class InterruptScan:
    wants_more = False
    stops = Stops()

    def __init__(self, timeline: Timeline, query: InterruptQuery) -> None:
        self._timeline = timeline
        self._vectors = query.vectors
        self._rows: list[DeliveryRow] = []
        timeline.machine.on_interrupt = self._on_interrupt

    def take(self, outcome: Outcome) -> None:
        pass

    def _on_interrupt(self, vector: int, now: int) -> None:
        """Between two instructions: the registers are what the interrupt strikes."""
        if vector not in self._vectors:
            return
        engine = self._timeline.machine.engine
        cr2, *ring = engine.read_registers(("cr2", "cr0", "rflags", "ss_flags"))
        position, pc = Position(Tick(now), 1), Linear(engine.linear_pc)
        row = DeliveryRow(position, DeliveryKind.EXTERNAL, vector, 0, pc, Linear(cr2), privilege_level(*ring))
        self._rows.append(row)

    def finish(self) -> Sequence[DeliveryRow]:
        self._timeline.machine.on_interrupt = None
        return self._rows


@dataclass(frozen=True, slots=True)
class PortQuery:
    """Accesses to some ports, or to all."""

    ports: frozenset[int] = frozenset()
    accesses: frozenset[Access] = frozenset(Access)

    def begin(self, timeline: Timeline) -> PortScan:
        return PortScan(timeline, self)


_PORT_EVENTS = {Access.READ: EventKind.PORT_READ, Access.WRITE: EventKind.PORT_WRITE}


class PortScan:
    wants_more = False

    def __init__(self, timeline: Timeline, query: PortQuery) -> None:
        events = frozenset(_PORT_EVENTS[access] for access in query.accesses)
        self.stops = Stops(catches=Catches(events=events, ports=query.ports))
        self._timeline = timeline
        self._rows: list[PortRow] = []

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, EventCaught):
            writes = outcome.kind is EventKind.PORT_WRITE
            pc = Linear(self._timeline.machine.engine.linear_pc)
            access, value = (Access.WRITE, outcome.value) if writes else (Access.READ, None)
            self._rows.append(PortRow(self._timeline.position, pc, access, outcome.subject, value))

    def finish(self) -> Sequence[PortRow]:
        return self._rows


@dataclass(frozen=True, slots=True)
class Cr3Query:
    """Loads of CR3."""

    def begin(self, timeline: Timeline) -> Cr3Scan:
        return Cr3Scan(timeline)


class Cr3Scan:
    wants_more = False
    stops = Stops(catches=Catches(events=frozenset({EventKind.CR3_LOAD})))

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._rows: list[Cr3Row] = []

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, EventCaught):
            pc = Linear(self._timeline.machine.engine.linear_pc)
            self._rows.append(Cr3Row(self._timeline.position, pc, outcome.subject, outcome.value))

    def finish(self) -> Sequence[Cr3Row]:
        return self._rows
