"""One machine of a lab: run as far as it may, told what comes, and asked what it has sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from devices.network.inputs import FrameInput
from devices.network.net import cable_name
from devices.serial.feed import SerialInput
from vmdbg.errors import EngineError, UserError
from vmdbg.lab.plan import NET_PORTS, NEVER, SERIAL_PORTS, Instant
from vmdbg.machine.inputs import Input
from vmdbg.machine.outsides import Sink
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.outcomes import ends_by_itself, says_nothing
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@dataclass(frozen=True, slots=True, order=True)
class Coming:
    """What reaches a machine at the first boundary from `due` on: after (due, link, side, number) of what else does."""

    due: Instant
    link: int
    side: int
    number: int
    input: Input = field(compare=False)
    sent: Instant = field(compare=False, default=Instant(0))
    """When it was put on the link."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame, or a character of a serial line, that left a port."""

    port: str
    at: Instant
    data: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """`clock`: all that the machine sends before it is known; `next_send`: when it may next, unless something comes.

    `outcome`: why it stopped before it was where it was to go, in words; `over`: it does not go on.
    """

    clock: Instant
    next_send: Instant
    sent: tuple[Sent, ...] = ()
    said: tuple[tuple[int, bytes, Instant], ...] = ()
    """Port, what was written, and when: of consoles that are linked to nothing."""
    outcome: str = ""
    over: bool = False
    back: tuple[Coming, ...] = ()
    """What came after it was over."""
    failure: str = ""
    """Why its recording has no more, in words; once."""

    def __reduce__(self) -> tuple[type[Report], tuple[object, ...]]:
        """One is sent for each stretch that a machine runs: this is the quick way."""
        known = (self.clock, self.next_send, self.sent, self.said, self.outcome, self.over)
        return Report, (*known, self.back, self.failure) if self.back or self.failure else known


def input_of(port: str, data: bytes) -> Input:
    """What comes to a port, as the machine takes it."""
    if port in SERIAL_PORTS:
        return SerialInput(SERIAL_PORTS.index(port) + 1, data)
    return FrameInput(cable_name(port), data)


Drive = Callable[[Tick], tuple[str, bool]]
"""Runs to a tick at most. Why it stopped before that, and whether it is over."""


class Puller(Protocol):
    """Who has the other machines catch up while somebody runs this one by hand."""

    def pull(self, station: Station, wanted: Instant) -> None:
        """Raise the station's `horizon` above where it stands, if that is possible now."""
        ...

    def may_push(self, name: str, at: Instant) -> bool:
        """Whether nobody has passed the instant at which what that machine does now can reach it."""
        ...


class Station:
    """A machine on its timeline (it is the timeline's governor). `born`: the lab's instant at its tick 0."""

    def __init__(self, name: str, timeline: Timeline, ports: list[str], born: Instant) -> None:
        self.name = name
        self.timeline = timeline
        self.born = born
        self.horizon = born
        """Up to here all that comes is in `_coming`, or has come."""
        self.puller: Puller | None = None
        self._ports = ports
        self._coming: list[Coming] = []
        self._sent: list[Sent] = []
        self._said: list[tuple[int, bytes, Instant]] = []
        self._heard: dict[str, int] = {}
        """How many frames of each cable were passed on."""
        self._takes = False
        """Whether what is pushed now is what comes over links."""
        self._led = False
        """Whether it is run by the lab now, and not by hand."""
        self._over = False
        self.drive: Drive = self._run_timeline
        """How it is run; with a debugger at it, by that."""
        self.on_halt: Callable[[], None] = lambda: None
        """Called where it is run by hand and another machine has stopped for somebody."""
        self.failure: Callable[[], str] = lambda: ""
        """Why its recording has no more, or nothing."""
        self._failed = ""
        timeline.governor = self
        timeline.console.listeners.append(self._on_output)
        for port in ports:
            if port in NET_PORTS:
                timeline.machine.outsides[port].sink = self._sink(port)

    def begin_again(self) -> None:
        """Another future begins where the machine stands: what was to come is not known."""
        self._coming, self._sent, self._said = [], [], []
        self._over = False
        self.horizon = self.clock
        cables = self.timeline.machine.pc.cables
        self._heard = {port: cables[port].out for port in self._ports if port in NET_PORTS}
        if not self.timeline.position.phase:
            self.timeline.console.hears_from(self.timeline.position.tick)

    def sent_up_to(self, target: Position, after: Instant) -> tuple[Sent, ...]:
        """Go to an instant of the history from where it stands. What the machine has sent `after` another."""
        machine, found = self.timeline.machine, list[Sent]()

        def sink(port: str) -> Sink:
            return lambda _number, frame, tick: found.append(Sent(port, Instant(self.born + tick), frame))

        def listen(port: int, data: bytes, tick: int) -> None:
            name = SERIAL_PORTS[port - 1] if 1 <= port <= len(SERIAL_PORTS) else ""
            if name in self._ports:
                found.append(Sent(name, Instant(self.born + tick), data))

        sinks = {port: machine.outsides[port].sink for port in self._ports if port in NET_PORTS}
        try:
            for port in sinks:
                machine.outsides[port].sink = sink(port)
            for console in machine.consoles:
                console.listeners.append(listen)
            self._go(target)
        finally:
            for port, before in sinks.items():
                machine.outsides[port].sink = before
            for console in machine.consoles:
                console.listeners.remove(listen)
        return tuple(one for one in found if one.at > after)

    def _go(self, target: Position) -> None:
        timeline = self.timeline
        with timeline.undisturbed():
            while timeline.position < target:
                here = timeline.position
                outcome = timeline.run(target.tick) if here.tick < target.tick else timeline.step()
                if timeline.position == here and not says_nothing(outcome):
                    raise EngineError(f"{self.name} cannot be brought to {target}: {outcome}")

    # what it sends

    def _sink(self, port: str) -> Sink:
        def take(number: int, frame: bytes, tick: Tick) -> None:
            if number == self._heard.get(port, 0):
                self._heard[port] = number + 1
                self._sent.append(Sent(port, Instant(self.born + tick), frame))

        return take

    def _on_output(self, port: int, data: bytes, tick: int) -> None:
        at = Instant(self.born + tick)
        name = SERIAL_PORTS[port - 1] if 1 <= port <= len(SERIAL_PORTS) else ""
        if name in self._ports:
            self._sent.append(Sent(name, at, data))
        else:
            self._said.append((port, data, at))

    # how far it goes

    @property
    def over(self) -> bool:
        """Whether the machine does not go on, whoever has run it to its end."""
        if not self._over and self.timeline.machine.ending is not None:
            self._over = self.timeline.position >= self.timeline.end
        return self._over

    @property
    def clock(self) -> Instant:
        return Instant(self.born + self.timeline.end.tick)

    def add(self, coming: list[Coming]) -> None:
        """Raises EngineError for what should have come before: the lab has let the machine run too far."""
        for one in coming:
            if one.due < self.horizon:
                raise EngineError(f"{self.name} is at {self.clock} already, and something comes to it at {one.due}")
            heappush(self._coming, one)

    def recall(self, at: Instant) -> list[Coming]:
        """What comes at an instant that it has not passed, or later, is not certain any more."""
        back = [one for one in self._coming if one.due >= at]
        self._coming = sorted(one for one in self._coming if one.due < at)
        self.horizon = min(self.horizon, at)
        return back

    def allow(self, wanted: Tick) -> Tick:
        """As the timeline's governor."""
        if self.puller is not None and not self._led and self.clock >= self.horizon:
            self.puller.pull(self, Instant(self.born + wanted))
        while self._coming and self._coming[0].due <= self.clock:
            if self._coming[0].due >= self.horizon:
                break  # something that comes before it may still be told
            self._takes = True
            try:
                self.timeline.push(heappop(self._coming).input)
            finally:
                self._takes = False
        bound = min(self.horizon, self._coming[0].due) if self._coming else self.horizon
        return Tick(min(wanted, max(0, bound - self.born)))

    def check_push(self) -> None:
        """As the timeline's governor."""
        if self._takes or self.puller is None or self.puller.may_push(self.name, self.clock):
            return
        raise UserError(f"the other machines are ahead of {self.name}: let the lab run on to where they are first")

    def left(self) -> None:
        """As the timeline's governor."""

    def check_fork(self) -> None:
        """As the timeline's governor."""
        raise UserError(
            f"{self.name} is a machine of a lab: the others have seen what it did, so its history is not forked alone: "
            "`fork` at the lab's prompt forks that of all"
        )

    def run(self, until: Instant) -> Report:
        """To the first boundary at or after `until`, before which all that comes was added."""
        self.horizon = max(self.horizon, until)
        self._led = True
        try:
            return self.report(self._run(Tick(max(0, until - self.born))))
        finally:
            self._led = False

    def _run(self, limit: Tick) -> str:
        while not self.over and self.timeline.position.tick < limit:
            why, self._over = self.drive(limit)
            if why:
                return why
        return ""

    def _run_timeline(self, limit: Tick) -> tuple[str, bool]:
        if self.timeline.position < self.timeline.end:
            self.timeline.seek(self.timeline.end)
        outcome = self.timeline.run(limit)
        return ("", False) if says_nothing(outcome) else (str(outcome), ends_by_itself(outcome))

    def report(self, outcome: str = "") -> Report:
        """What is new since the last."""
        sent, self._sent = tuple(self._sent), []
        said, self._said = tuple(self._said), []
        back = tuple(self._coming) if self.over else ()
        if back:
            self._coming = []
        known, self._failed = self._failed, self.failure()
        failure = self._failed if self._failed != known else ""
        return Report(self.clock, self._next_send(), sent, said, outcome, self.over, back, failure)

    def _next_send(self) -> Instant:
        if self.over:
            return NEVER
        machine = self.timeline.machine
        awake = self.timeline.history.upcoming is not None or any(cpu.can_run for cpu in machine.engine.cpus)
        due = machine.scheduler.next_due() if not awake else machine.clock
        own = NEVER if due is None else Instant(self.born + max(due, machine.clock))
        return min(own, self._coming[0].due) if self._coming else own
