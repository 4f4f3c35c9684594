"""Who may run how far: no machine before all is known that can reach it by then.

Conservative synchronisation (Chandy, Misra, Bryant): what comes to a machine takes at least the latency of the links on
its way, so a machine may run on until the earliest instant at which anything unknown could reach it. One that sleeps
says when it wakes, and is waited for no longer. Where machines are run, and in which order, makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Protocol

from vmdbg.interruption import INTERRUPTION
from vmdbg.lab.fabric import Carried, Fabric, Hop, LinkState, Loss
from vmdbg.lab.plan import End, Instant, Plan
from vmdbg.lab.station import Coming, Report, Station, input_of
from vmdbg.machine.inputs import Input

STRETCH = 50_000_000
"""Ticks that a machine runs at most before it is heard: whoever ends the lab does not wait for more."""
BY_HAND = 1 << 30
"""The number of a link, for what somebody pushes: after all that comes over links at that instant."""
SWITCHED_OFF = "switched off"
"""Why something is lost that comes to a machine which is."""


class Member(Protocol):
    """A machine, wherever it is run."""

    @property
    def name(self) -> str: ...

    @property
    def busy(self) -> bool:
        """Whether it runs now."""
        ...

    def start(self, until: Instant, coming: list[Coming]) -> None:
        """Run to the first boundary at or after `until`."""
        ...

    def finish(self) -> Report | None:
        """What came of it; None while it runs."""
        ...

    def recall(self, at: Instant) -> list[Coming]:
        """Give back what it was told of that comes at an instant which it has not passed, or later."""
        ...


class LocalMember:
    """A machine in this process, run while others wait."""

    busy = False

    def __init__(self, station: Station) -> None:
        self.station = station
        self._report: Report | None = None

    @property
    def name(self) -> str:
        return self.station.name

    def start(self, until: Instant, coming: list[Coming]) -> None:
        self.station.add(coming)
        self._report = self.station.run(until)

    def finish(self) -> Report | None:
        report, self._report = self._report, None
        return report

    def recall(self, at: Instant) -> list[Coming]:
        return self.station.recall(at)


Wait = Callable[[Sequence[Member]], None]
"""Returns once one of the machines that run may have finished."""


class Conductor:
    """Runs the machines of a lab. `on_report` is told of each machine's reports, in its own order."""

    def __init__(
        self,
        plan: Plan,
        on_hop: Callable[[Hop], None] = lambda _hop: None,
        on_report: Callable[[str, Report], None] = lambda _name, _report: None,
        wait: Wait = lambda _members: None,
        on_loss: Callable[[Loss], None] = lambda _loss: None,
    ) -> None:
        self.fabric = Fabric(plan, self._deliver, on_hop, on_loss)
        self._on_report = on_report
        self._wait = wait
        self._members: dict[str, Member] = {}
        self._reports: dict[str, Report] = {}
        self._coming: dict[str, list[Coming]] = {machine.name: [] for machine in plan.machines}
        """Also to machines that are switched off: they may be on by then."""
        self._doomed: dict[str, list[tuple[Coming, str]]] = {machine.name: [] for machine in plan.machines}
        """What will be lost, and why, unless something is done before it is due."""
        self._arrived: dict[str, Instant] = {}
        """While machines join again: up to when what was due has come to them."""
        self._passed = Instant(0)
        """What the clock showed at least, whoever has been switched off since."""
        self._by_hand = 0
        self.stopped = ""
        """The machine that stopped last for somebody."""

    # who is there

    def join(self, member: Member, born: Instant) -> None:
        """A machine that was switched on at `born`, and has not run."""
        self._members[member.name] = member
        self._reports[member.name] = Report(born, born)
        self.fabric.switched_on(member.name)
        self._lose(member.name, born)

    def rejoin(self, member: Member, born: Instant, clock: Instant, passed: Instant, *, over: bool) -> None:
        """A machine that stands at `clock`, and to which has come what was due up to `passed`."""
        self._members[member.name] = member
        self._lose(member.name, born)
        self._reports[member.name] = Report(clock, clock, over=over)
        self._arrived[member.name] = passed

    def settle(self) -> None:
        """All machines have joined again: what is to come to them is known, and what had come to them is dropped."""
        self._settle()
        for name, passed in self._arrived.items():
            for one in [one for one in self._coming[name] if one.due <= passed and one.link != BY_HAND]:
                why = self.fabric.fate(one.link, one.side, one.sent, one.due)
                if why:
                    self.fabric.lose(one.link, one.side, one.number, why)
            self._coming[name] = sorted(one for one in self._coming[name] if one.due > passed)
        self._arrived.clear()

    def leave(self, name: str) -> None:
        """A machine was switched off. What comes to it until it is switched on again is lost."""
        self._passed = max(self._passed, self._reports[name].clock)
        del self._members[name], self._reports[name]
        self._coming[name] = sorted(one for one in self._coming[name] if one.link != BY_HAND)

    def report(self, name: str) -> Report | None:
        """Its last one; None for a machine that is switched off."""
        return self._reports.get(name)

    @property
    def now(self) -> Instant:
        """The farthest that any machine is: what is done now is done then."""
        return max((report.clock for report in self._reports.values()), default=self._passed)

    def passes(self, instant: Instant) -> None:
        """Nothing more happens before it."""
        self._passed = max(self._passed, instant)

    @property
    def all_over(self) -> bool:
        return all(report.over for report in self._reports.values())

    # what comes

    def _deliver(self, machine: str, port: str, carried: Carried) -> None:
        data = input_of(port, carried.data)
        coming = Coming(carried.due, carried.link, carried.side, carried.number, data, carried.sent)
        heappush(self._coming[machine], coming)

    def _is_off(self, name: str) -> bool:
        return name not in self._reports or self._reports[name].over

    def _lose(self, name: str, until: Instant) -> None:
        """What came to a machine before an instant, and found it switched off."""
        waiting = self._coming[name]
        while waiting and waiting[0].due < until:
            one = heappop(waiting)
            if one.link != BY_HAND:
                why = self.fabric.fate(one.link, one.side, one.sent, one.due) or SWITCHED_OFF
                self.fabric.lose(one.link, one.side, one.number, why)

    def _sweep(self) -> None:
        """Nothing that is done from now on changes what is due before."""
        now = self.now
        for name in self._coming:
            if self._is_off(name):
                self._lose(name, now)
            if self._doomed[name]:
                for one, why in self._doomed[name]:
                    if one.due < now:
                        self.fabric.lose(one.link, one.side, one.number, why)
                self._doomed[name] = [(one, why) for one, why in self._doomed[name] if one.due >= now]

    def _recall(self, at: Instant) -> None:
        """Something is done at an instant that nobody has passed: it may change what comes from then on."""
        for name, member in self._members.items():
            back = [one for one, _ in self._doomed[name] if one.due >= at]
            self._doomed[name] = [(one, why) for one, why in self._doomed[name] if one.due < at]
            self._coming[name] = sorted([*self._coming[name], *back, *member.recall(at)])

    def push(self, machine: str, data: Input, at: Instant) -> None:
        """Something that somebody does, at an instant that no machine has passed."""
        self._recall(at)
        self._by_hand += 1
        heappush(self._coming[machine], Coming(at, BY_HAND, 0, self._by_hand, data))

    def change(self, link: str, at: Instant, state: LinkState) -> None:
        """From an instant on that no machine has passed."""
        self._recall(at)
        self.fabric.change(link, at, state)

    def plug(self, machine: str, port: str, at: Instant, data: Input, *, up: bool) -> None:
        """As push(): `data` tells the machine."""
        self.push(machine, data, at)
        self.fabric.plug(End(machine, port), at, up=up)

    # running

    def _earliest(self) -> Mapping[str, Instant]:
        return {name: self._next_send(name, report) for name, report in self._reports.items()}

    def _next_send(self, name: str, report: Report) -> Instant:
        return Instant(min(report.next_send, self._coming[name][0].due)) if self._has_coming(name) else report.next_send

    def _has_coming(self, name: str) -> bool:
        return bool(self._coming[name]) and not self._reports[name].over

    def run(self, goal: Instant, *, but: str = "", beyond: Instant | None = None) -> str:
        """Until all have come to `goal`, or one has stopped before that: its name, or "".

        Without the machine `but`, which somebody runs by hand: until it may go beyond `beyond`.
        """
        stopped = ""
        while True:
            INTERRUPTION.check()
            bounds = self._settle()
            if beyond is not None and bounds[but] > beyond:
                return stopped
            started = False
            for name, member in self._members.items():
                if not (stopped or member.busy or name == but):
                    started |= self._start(member, Instant(min(bounds[name], goal)))
            took = self._collect()
            if any(member.busy for member in self._members.values()):
                self._wait([member for member in self._members.values() if member.busy])
            elif not started and not took:
                return stopped
            stopped = stopped or next((name for name in took if self._has_stopped(name)), "")

    def run_alone(self, name: str, until: Instant) -> None:
        """One machine, to an instant at which nothing that the others do now can have come to it."""
        member = self._members[name]
        if self._start(member, until):
            while name not in self._collect():
                self._wait([member])

    def _settle(self) -> Mapping[str, Instant]:
        """How far each may run."""
        self._sweep()
        return self.fabric.settle(self._earliest, self.now)

    def _has_stopped(self, name: str) -> bool:
        report = self._reports[name]
        if report.outcome and not report.over:
            self.stopped = name
            return True
        return False

    def _start(self, member: Member, until: Instant) -> bool:
        report = self._reports[member.name]
        if report.over or until <= report.clock:
            return False
        until = Instant(min(until, report.clock + STRETCH))
        due = self._due(member.name, until)
        if due and due[0].due < report.next_send:
            self._reports[member.name] = replace(report, next_send=due[0].due)
        member.start(until, due)
        return True

    def _due(self, name: str, until: Instant) -> list[Coming]:
        """What comes to it before an instant to which it runs now."""
        due, waiting = [], self._coming[name]
        while waiting and waiting[0].due < until:
            one = heappop(waiting)
            why = self.fabric.fate(one.link, one.side, one.sent, one.due) if one.link != BY_HAND else ""
            if why:
                self._doomed[name].append((one, why))
            else:
                due.append(one)
        return due

    def _collect(self) -> list[str]:
        """Whose reports came."""
        took = []
        for name, member in self._members.items():
            report = member.finish()
            if report is not None:
                took.append(name)
                self.take(name, report)
        return took

    def take(self, name: str, report: Report) -> None:
        """A machine's report, also of one that somebody runs by hand."""
        self._reports[name] = report
        for one in report.back:
            heappush(self._coming[name], one)
        for sent in report.sent:
            self.fabric.send(name, sent.port, sent.at, sent.data)
        self._on_report(name, report)

    # by hand

    def catch_up(self, station: Station) -> None:
        """Somebody has run a machine by hand, or may push something to it now."""
        report = station.report()
        self.take(station.name, report if report.over else replace(report, next_send=report.clock))

    def may_push(self, name: str, at: Instant) -> bool:
        """Whether nobody has passed the instant at which what a machine does now can reach it."""
        reached = self.fabric.reached_from(name, at)
        return all(report.clock <= reached[other] for other, report in self._reports.items() if other != name)

    def pull(self, station: Station, wanted: Instant) -> None:
        """As a station's Puller: have the others catch up until it may go on. They go no further than what somebody
        has it do now can reach them.
        """
        self.catch_up(station)
        goal = Instant(max(wanted, station.clock + 1))
        if self.run(goal, but=station.name, beyond=station.clock):
            station.on_halt()
            return
        bound = self._settle()[station.name]
        until = Instant(min(bound, max(wanted, station.clock + 1)))
        station.add(self._due(station.name, until))
        station.horizon = max(station.horizon, until)
