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
from vmdbg.lab.fabric import Carried, Fabric, Hop, LinkState
from vmdbg.lab.plan import Instant, Plan
from vmdbg.lab.station import Coming, Report, Station, input_of
from vmdbg.machine.inputs import Input

STRETCH = 50_000_000
"""Ticks that a machine runs at most before it is heard: whoever ends the lab does not wait for more."""
BY_HAND = 1 << 30
"""The number of a link, for what somebody pushes: after all that comes over links at that instant."""


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
    ) -> None:
        self.fabric = Fabric(plan, self._deliver, on_hop)
        self._on_report = on_report
        self._wait = wait
        self._members: dict[str, Member] = {}
        self._reports: dict[str, Report] = {}
        self._coming: dict[str, list[Coming]] = {}
        self._by_hand = 0
        self.stopped = ""
        """The machine that stopped last for somebody."""

    # who is there

    def join(self, member: Member, born: Instant) -> None:
        """A machine that was switched on at `born`, and has not run."""
        self._members[member.name] = member
        self._reports[member.name] = Report(born, born)
        self._coming[member.name] = []

    def leave(self, name: str) -> None:
        """A machine was switched off. What is on its way to it is lost."""
        del self._members[name], self._reports[name], self._coming[name]

    def report(self, name: str) -> Report | None:
        """Its last one; None for a machine that is switched off."""
        return self._reports.get(name)

    @property
    def now(self) -> Instant:
        """The farthest that any machine is: what is done now is done then."""
        return max((report.clock for report in self._reports.values()), default=Instant(0))

    @property
    def all_over(self) -> bool:
        return all(report.over for report in self._reports.values())

    # what comes

    def _deliver(self, machine: str, port: str, carried: Carried) -> None:
        if machine in self._coming:
            data = input_of(port, carried.data)
            heappush(self._coming[machine], Coming(carried.due, carried.link, carried.side, carried.number, data))

    def push(self, machine: str, data: Input, at: Instant) -> None:
        """Something that somebody does, at an instant that no machine has passed."""
        self._by_hand += 1
        heappush(self._coming[machine], Coming(at, BY_HAND, 0, self._by_hand, data))

    def change(self, link: str, state: LinkState) -> None:
        """From now on."""
        self.fabric.change(link, self.now, state)

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
            bounds = self.fabric.settle(self._earliest)
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

    def _has_stopped(self, name: str) -> bool:
        report = self._reports[name]
        if report.outcome and not report.over:
            self.stopped = name
            return True
        return False

    def _start(self, member: Member, until: Instant) -> bool:
        report, waiting = self._reports[member.name], self._coming[member.name]
        if report.over or until <= report.clock:
            return False
        until = Instant(min(until, report.clock + STRETCH))
        due = self._due(waiting, until)
        if due and due[0].due < report.next_send:
            self._reports[member.name] = replace(report, next_send=due[0].due)
        member.start(until, due)
        return True

    def _due(self, waiting: list[Coming], until: Instant) -> list[Coming]:
        due = []
        while waiting and waiting[0].due < until:
            due.append(heappop(waiting))
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
        bound = self.fabric.settle(self._earliest)[station.name]
        until = Instant(min(bound, max(wanted, station.clock + 1)))
        station.add(self._due(self._coming[station.name], until))
        station.horizon = max(station.horizon, until)
