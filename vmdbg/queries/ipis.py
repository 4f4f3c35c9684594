"""Interrupts that CPUs send to one another, and when they are taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from devices.interrupts.apic_bus import DeliveryMode, InterruptMessage
from vmdbg.engine.stops import Stops
from vmdbg.machine.device_events import WITH_VECTOR, sent_vector
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.call_queues import VECTORS, Called, CallQueues
from vmdbg.queries.guest_memory import Ram
from vmdbg.queries.rows import IpiRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick


class InterruptWords(Protocol):
    """What interrupts are called."""

    def name(self, vector: int | None) -> str:
        """ "" where nobody has a name for it."""
        ...

    def runs(self, called: Iterable[Called]) -> str:
        """The functions that they are for."""
        ...


@dataclass(frozen=True, slots=True)
class _Taken:
    """A CPU acknowledges an interrupt, whoever sent it."""

    position: Position
    cpu: CpuId
    vector: int
    called: tuple[Called, ...] = ()


@dataclass(frozen=True, slots=True)
class IpiQuery:
    """All of them, a row for each CPU that gets one. `queues`: where a Linux has what CPUs are to run."""

    queues: CallQueues | None = None

    def begin(self, timeline: Timeline) -> IpiScan:
        return IpiScan(timeline, self.queues)

    def join(self, parts: Sequence[Sequence[IpiRow | _Taken]]) -> list[IpiRow]:
        """Several that wait for the same CPU with the same vector are taken as one (SDM 3A 11.8.4)."""
        rows: list[IpiRow] = []
        waiting: defaultdict[tuple[CpuId, int], list[int]] = defaultdict(list)
        for event in (event for part in parts for event in part):
            if isinstance(event, _Taken):
                for index in waiting.pop((event.cpu, event.vector), ()):
                    rows[index] = replace(rows[index], accepted=event.position, called=event.called)
                continue
            if event.mode in WITH_VECTOR and event.vector is not None:
                waiting[event.to, event.vector].append(len(rows))
            rows.append(event)
        return rows


class IpiScan(RowScan):
    """Its rows are IpiRow and _Taken, in order."""

    def __init__(self, timeline: Timeline, queues: CallQueues | None) -> None:
        super().__init__(timeline)
        self._queues, self._ram = queues, Ram(self.engine)
        machine = timeline.machine
        machine.bus.on_interrupt = self._on_interrupt
        machine.pc.apic_bus.on_sent.append(self._on_sent)

    @property
    def stops(self) -> Stops:
        return Stops()

    def take(self, outcome: Outcome) -> None:
        pass

    def _on_sent(self, message: InterruptMessage, receivers: Sequence[int]) -> None:
        """While the instruction runs that sends it."""
        position, mode = Position(Tick(self.timeline.machine.bus.access_tick)), message.mode
        vector = sent_vector(message)
        for receiver in receivers:
            to = CpuId(receiver)
            starts = mode is DeliveryMode.START_UP and self.engine.cpus[receiver].waits_for_sipi
            self.add(IpiRow(position, to, mode, vector, accepted=position if starts else None, cpu=self.cpu))

    def _on_interrupt(self, vector: int, now: int) -> None:
        called: tuple[Called, ...] = ()
        if self._queues is not None and vector in VECTORS:
            called = self._queues.waiting(self._ram, self.engine.read_register)
        self.rows.append(_Taken(Position(Tick(now), 1), self.cpu, vector, called))

    def finish(self) -> Sequence[IpiRow | _Taken]:
        machine = self.timeline.machine
        machine.bus.on_interrupt = None
        machine.pc.apic_bus.on_sent.remove(self._on_sent)
        return self.rows
