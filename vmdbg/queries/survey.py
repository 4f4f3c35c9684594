"""How much happened when, and who ran: counts in stretches of equal length, however much it was."""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from devices.disk.requests import DiskRequest
from devices.network.summary import summary
from devices.network.wire import Passage
from vmdbg.debugger.context import page_tables
from vmdbg.engine.exits import BreakpointHit, DeliveryKind, EventCaught, EventKind, ExceptionDelivered
from vmdbg.engine.stops import Breakpoints, Catches, Stops
from vmdbg.machine.cpu_start import selected
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.calls import INT80, MSR_LSTAR, entry_of
from vmdbg.queries.guest_memory import Ram
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.linux.scheduling import SWITCH
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Linear, Tick
from vmdbg.x86.exceptions import vector_name

ALL = frozenset(range(256))
USER = 3
"""The ring of programs."""
MOST_MOMENTS = 3000
"""Of one stretch, told one by one."""


class Kind(enum.Enum):
    """What is counted."""

    INTERRUPT = "interrupts"
    EXCEPTION = "exceptions"
    SYSTEM_CALL = "system calls"
    DISK = "disk"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Moment:
    """One that is told by itself."""

    position: Position
    kind: Kind
    cpu: CpuId
    what: str


Runner = tuple[int, str]
"""A task by its number and name; of a guest of which no tasks are known, an address space: CR3 and ""."""


@dataclass(slots=True)
class SurveyRow:
    """Stretch number N is of the `length` ticks from N times that on. `ran` is by CPU and stretch, in ticks."""

    length: int
    counts: dict[Kind, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    ran: dict[tuple[CpuId, int], Counter[Runner]] = field(default_factory=lambda: defaultdict(Counter))
    moments: list[Moment] = field(default_factory=list)

    def add(self, row: SurveyRow) -> None:
        """What another counted, in stretches of whose length this one's is a multiple; its moments are left."""
        step = self.length // row.length
        for kind, counts in row.counts.items():
            for number, many in counts.items():
                self.counts[kind][number // step] += many
        for (cpu, number), runners in row.ran.items():
            self.ran[cpu, number // step].update(runners)


@dataclass(frozen=True, slots=True)
class SurveyQuery:
    """`length` of a stretch, in ticks. With `each`, what is counted is told one by one, too."""

    length: int
    known: KnownLinux | None = None
    each: bool = False

    def begin(self, timeline: Timeline) -> SurveyScan:
        return SurveyScan(timeline, self)


class SurveyScan(RowScan):
    def __init__(self, timeline: Timeline, query: SurveyQuery) -> None:
        super().__init__(timeline)
        self._query = query
        self._row = SurveyRow(query.length)
        self._entry = entry_of(timeline)
        self._ram = Ram(self.engine)
        known = query.known
        self._switch = known.functions[SWITCH].start if known is not None and SWITCH in known.functions else None
        self._stops = self._all_stops()
        start = timeline.position.tick
        self._since: dict[CpuId, int] = {CpuId(cpu): start for cpu in range(len(self.engine.cpus))}
        timeline.machine.media.listeners.append(self._on_request)
        timeline.machine.pc.device_events.packet_listeners.append(self._on_passage)

    @property
    def stops(self) -> Stops:
        return self._stops

    def _all_stops(self) -> Stops:
        """Made anew only where they change: they are looked at after each."""
        places = tuple(Linear(place) for place in (self._entry, self._switch) if place)
        events = {EventKind.MSR_WRITE} | ({EventKind.CR3_LOAD} if self._switch is None else set())
        catches = Catches(ALL, frozenset(events), frozenset({MSR_LSTAR}), interrupts=ALL)
        return Stops(Breakpoints(linear=places), (), catches)

    @property
    def looked_for(self) -> None:
        """Requests and frames come without any stop, and who runs is asked at the end of each part."""

    def take(self, outcome: Outcome) -> None:
        match outcome:
            case EventCaught(EventKind.MSR_WRITE, _, value):
                self._entry = value
                self._stops = self._all_stops()
            case EventCaught(EventKind.CR3_LOAD, subject, _):
                self._ended((subject, ""))
            case ExceptionDelivered(delivery) if delivery.kind in (DeliveryKind.NMI, DeliveryKind.EXTERNAL):
                self._count(Kind.INTERRUPT, self.timeline.position, f"interrupt {delivery.vector:#x}")
            case ExceptionDelivered(delivery):
                is_call = delivery.vector == INT80 and delivery.cpl == USER
                kind = Kind.SYSTEM_CALL if is_call else Kind.EXCEPTION
                self._count(kind, self.timeline.position, vector_name(delivery.vector))
            case BreakpointHit():
                self._at_breakpoint()
            case _:
                pass

    def _at_breakpoint(self) -> None:
        pc = self.engine.linear_pc
        if pc == self._entry:
            self._count(Kind.SYSTEM_CALL, self.timeline.position, self._call())
        if pc == self._switch:
            self._ended(self._task(self.engine.read_register("rdi")))

    def _call(self) -> str:
        if not self._query.each:
            return ""
        number = self.engine.read_register("rax") & 0xFFFFFFFF
        known = self._query.known
        call = known.calls.get(number) if known is not None else None
        return call.name if call is not None else f"system call {number}"

    def _task(self, address: int) -> Runner:
        known = self._query.known
        task = known.locator.task(self._ram, address) if known is not None else None
        return (task.pid, task.name) if task is not None else (0, "")

    def _count(self, kind: Kind, position: Position, what: str) -> None:
        self._row.counts[kind][position.tick // self._query.length] += 1
        if self._query.each and len(self._row.moments) < MOST_MOMENTS:
            self._row.moments.append(Moment(position, kind, self.cpu, what))

    def _on_request(self, request: DiskRequest) -> None:
        what = f"{request.operation.name.lower()} {request.unit} {request.sector}+{request.count}"
        self._count(Kind.DISK, Position(Tick(request.completed)), what)

    def _on_passage(self, passage: Passage) -> None:
        """A frame is counted where it left the guest, or came."""
        what = f"{passage.net} {passage.direction} {summary(passage.frame).protocol}" if self._query.each else ""
        self._count(Kind.NETWORK, Position(Tick(passage.now)), what)

    def _ended(self, runner: Runner) -> None:
        """Whose time on the CPU that stands here ends."""
        now = self.timeline.position.tick
        self._ran(self.cpu, runner, now)
        self._since[self.cpu] = now

    def _ran(self, cpu: CpuId, runner: Runner, until: int) -> None:
        at, length = self._since[cpu], self._query.length
        while at < until:
            number = at // length
            end = min(until, (number + 1) * length)
            self._row.ran[cpu, number][runner] += end - at
            at = end

    def finish(self) -> Sequence[SurveyRow]:
        for cpu in self._since:
            with selected(self.engine, cpu):
                self._ran(cpu, self._now(), self.timeline.position.tick)
        self._row.moments.sort(key=lambda moment: moment.position)
        return [self._row]

    def _now(self) -> Runner:
        known = self._query.known
        if known is None or self._switch is None:
            return page_tables(self.engine, self.engine.read_register("cr3")), ""
        task = known.locator.read(self._ram, self.engine.read_register)
        return (task.pid, task.name) if task is not None else (0, "")
