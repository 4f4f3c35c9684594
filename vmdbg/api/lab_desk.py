"""A machine of a lab with all that belongs to it, in this process or, behind a lab.workers.Worker, in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmdbg.api.boot import launch, open_recording
from vmdbg.api.guest import Guest
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.stops import Ended, HostFailed, Interrupted, RunFailed, StepDone
from vmdbg.document.plain import render_plain
from vmdbg.engine.stops import Stops
from vmdbg.errors import UserError
from vmdbg.lab.forking import MARGIN, Stand
from vmdbg.lab.plan import NET_PORTS, Instant, MachineSpec, Plan
from vmdbg.lab.station import Coming, Report, Station
from vmdbg.machine.digest import Digest
from vmdbg.machine.inputs import Edit
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.outcomes import ends_by_itself, says_nothing
from vmdbg.timeline.steps_back import previous
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

_MAC = 0x5254_004C_0000
"""Of the first network device of the first machine; the last byte but one has the machine's number."""
NOT_OF_A_LAB = {"record", "embed", "nets", "linked", "say"}
MOST = 1024
"""Inputs that are looked at from the end of a history on: more than come at one instant."""
LAB = "lab"
"""Who has a machine run, as its debugger knows it."""
SYMBOLS, NICS = "symbols", "nics"
"""What a machine of a lab has besides launch()'s options."""


@dataclass(frozen=True, slots=True)
class DeskSpec:
    """All that is needed to make one, in any process."""

    machine: MachineSpec
    ports: tuple[str, ...]
    number: int
    born: Instant
    record: Path | None = None
    resumes: Path | None = None
    """A recording of it, whose history it has."""


def desk_spec(
    plan: Plan, name: str, born: Instant, *, record: Path | None = None, resumes: Path | None = None
) -> DeskSpec:
    number = [machine.name for machine in plan.machines].index(name)
    return DeskSpec(plan.machines[number], tuple(plan.ports(name)), number, born, record, resumes)


class Desk:
    """Raises UserError, EngineError."""

    def __init__(self, spec: DeskSpec) -> None:
        options: dict[str, Any] = dict(spec.machine.options)
        symbols, nics = options.pop(SYMBOLS, ()), options.pop(NICS, ())
        taken = sorted(NOT_OF_A_LAB & options.keys())
        if taken:
            raise UserError(f"machine {spec.machine.name}: {taken[0]} is the lab's to say: leave it out")
        if spec.machine.held and spec.resumes is None:
            raise UserError(f"machine {spec.machine.name} cannot be switched on: {spec.machine.held}")
        try:
            self.guest: Guest = (
                open_recording(spec.resumes)
                if spec.resumes is not None
                else launch(**options, nets=_nets(spec, nics), linked=True)
            )
        except UserError as error:
            raise UserError(f"machine {spec.machine.name}: {error}") from None
        try:
            for file in symbols:
                self.guest.load_symbols(file)
            if spec.record is not None:
                self.guest.record(spec.record)
        except BaseException:
            self.guest.close()
            raise
        self.station = Station(spec.machine.name, self.guest.timeline, list(spec.ports), spec.born)

        self.station.drive = self._drive
        self.station.on_halt = self._halt
        self.station.failure = self.failure
        self.was_halted = False
        self.attended = False
        """Whether somebody may come and look at it while the lab goes on: it runs from stop to stop, as he would have
        it do.
        """

    def _halt(self) -> None:
        """Another machine has stopped. Who attends to the lab sees to the rest."""
        if self.attended:
            return
        self.was_halted = True
        self.guest.debugger.interrupt(LAB)

    def _drive(self, limit: Tick) -> tuple[str, bool]:
        """By the debugger, where something is set that may stop it."""
        if self.attended:
            return self._go_on(limit)
        debugger = self.guest.debugger
        debugger.points.arm(debugger.engine)
        self._to_the_end()
        if debugger.engine.stops == Stops():
            outcome = debugger.timeline.run(limit)
            return ("", False) if says_nothing(outcome) else (str(outcome), ends_by_itself(outcome))
        debugger.resume(Continue(limit=limit), LAB)
        match debugger.wait():
            case StepDone() | Interrupted():
                return "", False
            case RunFailed(error):
                raise error
            case stop:
                return type(stop).__name__, isinstance(stop, Ended | HostFailed)

    def go_along(self) -> None:
        """It runs from the end of its history on, until it is stopped, unless somebody lets it run already."""
        debugger = self.guest.debugger
        if not (debugger.running or self.station.over):
            self._to_the_end()
            debugger.resume(Continue(), LAB)

    def _to_the_end(self) -> None:
        timeline = self.guest.timeline
        if timeline.position < timeline.end:
            timeline.seek(timeline.end)

    def _go_on(self, limit: Tick) -> tuple[str, bool]:
        """A part of what goes on, whosever it is."""
        self.go_along()
        debugger = self.guest.debugger
        stop = debugger.poll(limit - debugger.machine.clock)
        if isinstance(stop, RunFailed):
            raise stop.error
        return ("", False) if stop is None else (type(stop).__name__, isinstance(stop, Ended | HostFailed))

    def fork(self, at: Instant, after: Instant) -> Stand:
        """Another future begins at the first boundary from an instant of the lab's clock on, or at the machine's end
        if that is before it; what comes there has not come. `after`: what it has sent after that is wanted.
        """
        guest, station, timeline = self.guest, self.station, self.guest.timeline
        target = min(Position(Tick(max(0, at - station.born))), timeline.end)
        guest.seek(min(max(timeline.start, Position(Tick(max(0, after - MARGIN - station.born)))), target))
        sent = station.sent_up_to(target, after)
        passed = Instant(station.born + _passed(timeline))
        timeline.governor = None
        try:
            _drop_future(timeline)
        finally:
            timeline.governor = station
        station.begin_again()
        log = timeline.console.port(timeline.console.talking)
        return Stand(station.clock, passed, station.over, sent, bytes(log.text))

    def record_on(self, path: Path) -> None:
        """Record all that it has lived through, and what comes."""
        self.guest.record_on(path)

    def run(self, until: Instant, coming: list[Coming]) -> Report:
        self.station.add(coming)
        return self.station.run(until)

    def execute(self, line: str) -> str:
        """What a command of the prompt answers."""
        return render_plain(self.guest.session.run(line))

    def digest(self) -> Digest:
        return self.guest.digest()

    def failure(self) -> str:
        """Why the recording had to end, or nothing."""
        return str(self.guest.recording_failure or "")

    def close(self) -> str:
        """As failure()."""
        self.guest.close()
        return self.failure()


def _passed(timeline: Timeline) -> int:
    """The tick up to which all that was due has come to a machine: that of the instant before this one."""
    here = timeline.position
    if here <= timeline.start:
        return -1
    if here == timeline.end and any(
        one.position.tick == here.tick and not isinstance(one.input, Edit) for one in timeline.history.inputs[-MOST:]
    ):
        return here.tick
    with timeline.undisturbed():
        before = previous(timeline, here)
        timeline.go(here)
    return before.tick


def _drop_future(timeline: Timeline) -> None:
    """A recording keeps what it has, also where nothing is dropped."""
    if timeline.recorder is not None:
        timeline.recorder.on_fork()
        timeline.recorder = None
    if timeline.position < timeline.end:
        timeline.fork()
    elif timeline.closed:
        timeline.reopen()


def _nets(spec: DeskSpec, nics: Sequence[str]) -> list[str]:
    """A network device for each port up to the last that is used."""
    used = [NET_PORTS.index(port) for port in spec.ports if port in NET_PORTS]
    count = max([len(nics), *(number + 1 for number in used)], default=0)
    return [f"lab{_nic(nics[at]) if at < len(nics) else ''}{_mac(spec.number, at, nics)}" for at in range(count)]


def _nic(options: str) -> str:
    return f",{options}" if options else ""


def _mac(machine: int, number: int, nics: Sequence[str]) -> str:
    if number < len(nics) and "mac=" in nics[number]:
        return ""
    return ",mac=" + (_MAC + (machine << 8) + number).to_bytes(6, "big").hex(":")
