"""The events of a part of the history: accesses to what is watched, and what puts CPUs in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devices.interrupts.apic_bus import DeliveryMode, InterruptMessage
from vmdbg.engine.exits import Access as Kind
from vmdbg.engine.exits import BreakpointHit, WatchHit, WatchpointHit
from vmdbg.engine.stops import Breakpoints, Stops, Watchpoint
from vmdbg.errors import UserError
from vmdbg.machine.cpu_start import selected
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.call_queues import VECTORS, Called
from vmdbg.queries.accesses import AccessScan
from vmdbg.queries.guest_memory import Ram
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.races.events import Access, Await, Event, Post
from vmdbg.queries.races.linux_sync import LinuxSync
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Linear, Tick
from vmdbg.x86.instruction import MAX_LENGTH
from vmdbg.x86.locked import is_locked
from vmdbg.x86.mode import cpu_mode
from vmdbg.x86.physical_memory import PhysicalMemory

NMI = 2
MOST_EVENTS = 4_000_000
"""Some gigabytes of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes that are watched: linear, in whatever address space, or physical."""

    address: int
    size: int
    physical: bool = False


def watchpoints(places: Iterable[Place]) -> tuple[Watchpoint, ...]:
    return tuple(
        Watchpoint(number, place.address, place.size, frozenset(Kind), place.physical)
        for number, place in enumerate(places)
    )


@dataclass(frozen=True, slots=True)
class PlacesQuery:
    """All accesses to some places, as AccessRow. UserError ends a scan that meets more than `most`.

    With `each`, a place is no longer looked at that was accessed more often than that.
    """

    places: tuple[Place, ...]
    most: int
    each: int | None = None

    def begin(self, timeline: Timeline) -> AccessScan:
        return _BoundedScan(timeline, self)


class _BoundedScan(AccessScan):
    def __init__(self, timeline: Timeline, query: PlacesQuery) -> None:
        super().__init__(timeline, Stops(watchpoints=watchpoints(query.places)))
        self._most, self._each = query.most, query.each
        self._counts: Counter[int] = Counter()

    def take(self, outcome: Outcome) -> None:
        super().take(outcome)
        if len(self.rows) > self._most:
            raise too_many(self._most, self.timeline.position)
        if self._each is not None and isinstance(outcome, WatchpointHit):
            self._counts.update(hit.number for hit in outcome.hits)
            hot = {hit.number for hit in outcome.hits if self._counts[hit.number] > self._each}
            if hot:
                left = tuple(one for one in self._stops.watchpoints if one.number not in hot)
                self._stops = Stops(watchpoints=left)


def too_many(most: int, position: Position | None = None) -> UserError:
    """Accesses than can be looked at."""
    where = f" up to {position}" if position is not None else ""
    return UserError(f"there are more than {most:,} accesses{where}: look at a shorter time, or at less of the memory")


@dataclass(frozen=True, slots=True)
class EventQuery:
    """`known` tells of Linux's locks, wake-ups and switches; without it interrupts between CPUs alone are seen.

    UserError ends a scan that meets more than `most` events.
    """

    places: tuple[Place, ...]
    known: KnownLinux | None = None
    most: int = MOST_EVENTS

    def begin(self, timeline: Timeline) -> EventScan:
        return EventScan(timeline, self)


class EventScan(RowScan):
    """Its rows are events. It is linux_sync.Looking."""

    def __init__(self, timeline: Timeline, query: EventQuery) -> None:
        super().__init__(timeline)
        self._ram = Ram(self.engine)
        self._watchpoints = watchpoints(query.places)
        self._sync = LinuxSync(self, query.known) if query.known is not None else None
        self._queues = query.known.calls_between_cpus if query.known is not None else None
        self._locked: dict[tuple[int, bytes], bool] = {}
        self._most = query.most
        self._stops = self._find_stops()
        self._begin()

    def _begin(self) -> None:
        machine = self.timeline.machine
        machine.bus.on_interrupt = self._on_interrupt
        machine.pc.apic_bus.on_sent.append(self._on_sent)
        for cpu in range(len(self.engine.cpus)) if self._sync is not None else ():
            with selected(self.engine, CpuId(cpu)):
                assert self._sync is not None
                self.rows += self._sync.at_start(cpu, self.timeline.position)

    # linux_sync.Looking

    @property
    def ram(self) -> PhysicalMemory:
        return self._ram

    def register(self, name: str) -> int:
        return self.engine.read_register(name)

    def registers(self, names: Iterable[str]) -> list[int]:
        return self.engine.read_registers(names)

    def read(self, address: int, size: int) -> int | None:
        return self.engine.read_integer(Linear(address), size)

    # Scan

    @property
    def stops(self) -> Stops:
        return self._stops

    def _find_stops(self) -> Stops:
        places = self._sync.places if self._sync is not None else ()
        return Stops(Breakpoints(linear=tuple(map(Linear, places))), self._watchpoints)

    @property
    def looked_for(self) -> None:
        """Interrupts bear on it, whatever else there is."""

    def take(self, outcome: Outcome) -> None:
        match outcome:
            case BreakpointHit() if self._sync is not None:
                places = self._sync.places
                self.rows += self._sync.at(self.engine.linear_pc, self.cpu, self.timeline.position)
                if self._sync.places is not places:
                    self._stops = self._find_stops()
            case WatchpointHit(hits):
                self.rows += self._accesses([hit for hit in hits if not hit.device])
            case _:
                pass
        if len(self.rows) > self._most:
            raise UserError(
                f"more than {self._most:,} accesses and other events up to {self.timeline.position}: "
                "look at a shorter time, or at less of the memory"
            )

    def _accesses(self, hits: Sequence[WatchHit]) -> list[Event]:
        """What one instruction reads and writes at one place is one access."""
        found: dict[tuple[int, int], Access] = {}
        for hit in hits:
            size = min(hit.size, len(hit.old))
            key = hit.physical, size
            if not size:
                continue
            known, writes = found.get(key), hit.access is Kind.WRITE
            found[key] = Access(
                self.cpu,
                self.timeline.position,
                hit.pc,
                hit.physical,
                size,
                not writes or (known is not None and known.reads),
                writes or (known is not None and known.writes),
                self._is_locked(hit.pc),
                hit.linear,
                hit.old[:size],
                hit.looked_at(self.engine.read_physical).new,
            )
        return list(found.values())

    def _is_locked(self, pc: int) -> bool:
        """Other processes have other code there, and the same has other code at other times."""
        code = self.engine.read_linear(Linear(pc), MAX_LENGTH)
        known = self._locked.get((pc, code))
        if known is None:
            mode = cpu_mode(*self.engine.read_registers(("cr0", "efer", "rflags", "cs_flags")))
            known = self._locked[pc, code] = is_locked(code, mode.width)
        return known

    def _on_sent(self, message: InterruptMessage, receivers: Sequence[int]) -> None:
        position = Position(Tick(self.timeline.machine.bus.access_tick))
        match message.mode:
            case DeliveryMode.FIXED | DeliveryMode.LOWEST_PRIORITY | DeliveryMode.NMI:
                vector = NMI if message.mode is DeliveryMode.NMI else message.vector
                self.rows += [Post(self.cpu, position, ("interrupt", cpu, vector)) for cpu in receivers]
            case DeliveryMode.START_UP:
                started = [cpu for cpu in receivers if self.engine.cpus[cpu].waits_for_sipi]
                self.rows += [Post(self.cpu, position, ("start", cpu)) for cpu in started]
                self.rows += [Await(cpu, position, ("start", cpu)) for cpu in started]
            case _:
                pass

    def _on_interrupt(self, vector: int, now: int) -> None:
        called: tuple[Called, ...] = ()
        if self._queues is not None and vector in VECTORS:
            called = self._queues.waiting(self._ram, self.engine.read_register)
        self.rows.append(Await(self.cpu, Position(Tick(now), 1), ("interrupt", int(self.cpu), vector), called=called))

    def finish(self) -> Sequence[Event]:
        machine = self.timeline.machine
        machine.bus.on_interrupt = None
        machine.pc.apic_bus.on_sent.remove(self._on_sent)
        return self.rows
