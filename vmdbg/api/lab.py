"""Several machines on one clock: run, recorded and debugged together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType

from devices.network.inputs import LinkInput
from devices.network.net import cable_name
from vmdbg.api.guest import Guest
from vmdbg.api.lab_desk import Desk, desk_spec
from vmdbg.api.lab_file import read_plan
from vmdbg.api.lab_machines import Machines
from vmdbg.errors import GuestError, UserError, VmdbgError
from vmdbg.lab.actions import Action, Boot, Crash, Cut, Lose, Mend, Plug, Type, link_state, parse_action
from vmdbg.lab.conductor import Conductor
from vmdbg.lab.fabric import Hop, Loss
from vmdbg.lab.folder import Deed, LabWriter, Life, Pushed
from vmdbg.lab.forking import Past, Row, Stand, base_of, lives_on, rows_before, take_up, to_come
from vmdbg.lab.plan import NEVER, Instant, LinkSpec, Plan
from vmdbg.lab.station import Report, Station
from vmdbg.lab.workers import wait_for
from vmdbg.machine.console import COM1, DEBUG_CONSOLE, HVC, typed
from vmdbg.machine.digest import Digest
from vmdbg.machine.inputs import Input, PowerCut
from vmdbg.machine.snapshot import Position
from vmdbg.recording.records import encode_input
from vmdbg.timeline.console_log import PortLog
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.outcomes import Progress
from vmdbg.units import Tick

STEP = 10_000_000
"""Nanoseconds between two looks of expect()."""
PATIENCE = 60_000_000_000
CONSOLES = (COM1, HVC, DEBUG_CONSOLE)
PAST = "this is the past: `fork` goes on from here, and drops what came after it"
OnOutput = Callable[[str, bytes, Instant], None]
"""Told of a machine's name, what it has written to its console, and when."""


class Lab:
    """Machines, switches and links, as a plan has them. Use it as a context manager, or close() it.

    Instants are nanoseconds of the lab's clock, which all machines share. Where machines run makes no difference to
    what they do: in this process, or with `processes` in one each, on as many cores as there are.
    """

    def __init__(
        self,
        plan: Plan | str | PathLike[str],
        *,
        record: str | PathLike[str] | None = None,
        processes: bool = False,
        on_output: OnOutput = lambda _machine, _data, _at: None,
        say: Callable[[str], None] = lambda _line: None,
        past: Past | None = None,
    ) -> None:
        """`plan`: itself, or a TOML file. `record`: a new folder, for a recording of all. `say` is
        told what of that cannot be kept. `past`: what it goes on from (LabRecording.fork).

        Raises UserError, EngineError.
        """
        self.plan = plan = plan.checked() if isinstance(plan, Plan) else read_plan(plan)
        for happening in plan.happenings:
            parse_action(happening.line, plan)
        self.not_kept: list[str] = []
        """What of the recording could not be written, in words: the lab goes on without."""
        self._say = say
        self.hops: list[Hop] = []
        """All that was put on a link so far, and what became of it. After LabRecording.fork() what had come by then has
        zeros after what a recording keeps of it.
        """
        self._placed: dict[tuple[str, str, int], int] = {}
        """Where in `hops` each is, by link, source and number."""
        self._on_output = on_output
        self._consoles: dict[str, PortLog] = {machine.name: PortLog() for machine in plan.machines}
        self._read: dict[str, int] = {}
        self._due = to_come(plan, ())
        self._rows: list[Row] = []
        """Who was switched on, and what somebody did."""
        self._pushed: dict[Pushed, Input] = {}
        self._current: dict[str, Life] = {}
        """What the machines that are on live through."""
        self.looked_at: Instant | None = None
        """Where all machines were brought to in the past, until they go on."""
        self.switch_off_listeners: list[Callable[[str], None]] = []
        """Told of a machine that is about to be freed, for it has lost its power."""
        self.halted = False
        """Whether one that is run by hand is to stop for another, which somebody looks at."""
        self.stands_at = NEVER
        """No machine that is run by hand, and none that goes along, goes on after this."""
        self._writer = LabWriter(Path(fspath(record)), plan) if record is not None else None
        self._conductor = Conductor(plan, self._on_hop, self._on_report, wait_for, self._on_loss)
        self._machines = Machines(self, processes=processes)
        try:
            if past is not None:
                self._begin(past, self._writer)
            else:
                self._switch_on([machine.name for machine in plan.machines if not machine.starts], Instant(0))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # machines

    def _switch_on(self, names: list[str], born: Instant) -> None:
        places = {name: self._writer.place(name) if self._writer is not None else None for name in names}
        self._machines.make(desk_spec(self.plan, name, born, record=place) for name, place in places.items())
        for name, place in places.items():
            life = self._current[name] = Life(name, born, place.name if place is not None else "")
            self._rows.append(life)
            if self._writer is not None:
                self._writer.life(life)
            self._conductor.join(self._machines.member(name), born)

    @property
    def machines(self) -> Mapping[str, Guest]:
        """Those that are switched on, to look at, debug and run by hand: the others go along. In this process only."""
        if self._machines.processes:
            raise UserError("machines in other processes cannot be reached: use execute(), or leave processes out")
        return {name: desk.guest for name, desk in self.desks.items()}

    @property
    def desks(self) -> Mapping[str, Desk]:
        """Of the machines that are switched on, for who runs them by hand. In this process only."""
        return self._machines.desks

    @property
    def names(self) -> list[str]:
        """Of the machines that are switched on."""
        return self._machines.names

    def execute(self, machine: str, line: str) -> str:
        """What a command of the prompt answers at a machine. Raises UserError."""
        self._must_be_on(machine)
        return str(self._machines.call(machine, "execute", line))

    def digest(self, machine: str) -> Digest:
        self._must_be_on(machine)
        found = self._machines.call(machine, "digest")
        assert isinstance(found, Digest)
        return found

    def digests(self) -> dict[str, Digest]:
        return {name: self.digest(name) for name in self.names}

    def console(self, machine: str) -> str:
        """All that it has written to its console."""
        return self._consoles[machine].text.decode("utf-8", "backslashreplace")

    def _must_be_on(self, name: str) -> None:
        if name not in self.names:
            known = [machine.name for machine in self.plan.machines]
            what = "is switched off" if name in known else f"is no machine; there are: {', '.join(known)}"
            raise UserError(f"{name} {what}")

    # time

    @property
    def now(self) -> Instant:
        """What the lab's clock shows: the farthest that a machine is."""
        self._caught_up()
        return self._conductor.now

    def run(self, nanoseconds: int) -> str:
        """Let all go on for so long. Which machine has stopped at a breakpoint before, or ""."""
        return self.run_until(Instant(self.now + nanoseconds))

    def run_until(self, instant: int) -> str:
        """As run(), to an instant."""
        self.looked_at = None
        self._caught_up()
        stopped = self._carry_out_due(Instant(instant)) or self._conductor.run(Instant(instant))
        if self._due and not stopped:
            self._conductor.passes(Instant(instant))  # all may have ended, but for what is to happen
        if self._writer is not None:
            self._writer.flush()
            self._lacks(self._writer.failure)
        return stopped

    def _lacks(self, words: str) -> None:
        if words and words not in self.not_kept:
            self.not_kept.append(words)
            self._say(words)

    def _carry_out_due(self, until: Instant) -> str:
        """What is to happen up to an instant: with all machines there. Which has stopped before, or ""."""
        while self._due and self._due[0].at <= until:
            at = self._due[0].at
            stopped = self._conductor.run(at)
            if stopped:
                return stopped
            self._conductor.passes(at)
            self._carry_out(self._due.pop(0).line, at)
        return ""

    @property
    def stopped(self) -> str:
        """The machine that stopped last for somebody."""
        return self._conductor.stopped

    def stopped_elsewhere(self, machine: str) -> bool:
        """Whether, while that one was run by hand, another stopped; told once."""
        found = self._conductor.stopped not in ("", machine) and self.desks[machine].was_halted
        self.desks[machine].was_halted = False
        return found

    @property
    def over(self) -> bool:
        """Whether all machines have ended, and nothing is to come."""
        self._caught_up()
        return self._conductor.all_over and not self._due

    def expect(self, machine: str, text: str, *, patience: int = PATIENCE) -> str:
        """Run all until a machine's console has `text` after what was expected there before; what it wrote up to there.

        The lab then stands at a multiple of STEP. Raises GuestError.
        """
        __tracebackhide__ = True
        wanted, read, until = text.encode(), self._read.get(machine, 0), self.now + patience
        while (at := self._consoles[machine].text.find(wanted, read)) < 0:
            if self.over or self.now >= until:
                tail = self.console(machine)[-400:]
                raise GuestError(f"{text!r} did not come on {machine}; last on its console: {tail!r}")
            self.run_until((self.now // STEP + 1) * STEP)
        self._read[machine] = at + len(wanted)
        return self._consoles[machine].text[read : at + len(wanted)].decode("utf-8", "backslashreplace")

    def gather(self, instant: int) -> str:
        """Have those that are behind come to an instant which one has passed. Which has stopped before that, or ""."""
        self._caught_up()
        return self._conductor.run(Instant(instant))

    def carry_out_due(self) -> None:
        """What is to happen by now, where it has not: with a machine that has ended by it."""
        self._caught_up()
        self._carry_out_due(self._conductor.now)

    def _caught_up(self) -> None:
        """Somebody may have run machines by hand: all have to be where the farthest is."""
        for desk in self.desks.values():
            self._conductor.catch_up(desk.station)

    # a machine by hand (vmdbg.lab.station.Puller)

    def pull(self, station: Station, wanted: Instant) -> None:
        """Up to what is to happen next, which is then done with all machines there."""
        while not self.halted and self._due and station.clock >= self._due[0].at:
            at = self._due[0].at
            self._conductor.catch_up(station)
            if self._conductor.run(at, but=station.name):
                station.on_halt()
                return
            action = parse_action(self._due[0].line, self.plan)
            if isinstance(action, Crash | Boot) and action.machine == station.name:
                self._conductor.push(station.name, PowerCut(), at)  # it ends first; the rest is for who runs it
                break
            self._carry_out(self._due.pop(0).line, at)
        if station.clock < self.stands_at and not self.halted:
            limit = min(wanted, self.stands_at, self._due[0].at if self._due else NEVER)
            self._conductor.pull(station, Instant(limit))

    def may_push(self, name: str, at: Instant) -> bool:
        return self._conductor.may_push(name, at)

    # what happens

    def send(self, machine: str, text: str) -> None:
        """Type at its console, now."""
        self.push(machine, typed(COM1, text.encode()))

    def push(self, machine: str, data: Input) -> None:
        """Something reaches a machine from outside, now: a recorded input."""
        self._must_be_on(machine)
        if self.looked_at is not None:
            raise UserError(PAST)
        self._together()
        at = self._conductor.now
        record = encode_input(PlacedInput(Position(Tick(0)), data))
        self._conductor.push(machine, data, at)
        row = Pushed(at, machine, record)
        self._pushed[row] = data
        self._note(row)

    def do(self, line: str) -> None:
        """What a plan's happenings and the prompt can do: cut LINK, crash MACHINE and so on. Raises UserError."""
        parse_action(line, self.plan)
        if self.looked_at is not None:
            raise UserError(PAST)
        self._together()
        self._carry_out(line, self._conductor.now)

    def _carry_out(self, line: str, at: Instant) -> None:
        """At an instant that all machines have come to, and none has passed."""
        self._act(parse_action(line, self.plan), at)
        self._note(Deed(at, line))

    def _note(self, row: Deed | Pushed) -> None:
        self._rows.append(row)
        if self._writer is not None:
            self._writer.note(row)

    def _together(self) -> None:
        """All stand at one instant, and what was to happen until then has: what is done now is done then."""
        self.looked_at = None
        self._caught_up()
        self._carry_out_due(self._conductor.now)
        self._conductor.run(self._conductor.now)

    def _act(self, action: Action, at: Instant) -> None:
        conductor = self._conductor
        match action:
            case Cut(link) | Mend(link) | Lose(link):
                conductor.change(link, at, link_state(action, conductor.fabric.state(link, at)))
            case Plug(machine, port, up):
                self._must_be_on(machine)
                conductor.plug(machine, port, at, LinkInput(cable_name(port), up), up=up)
            case Type(machine, text):
                self._must_be_on(machine)
                conductor.push(machine, typed(COM1, text.encode()), at)
            case Crash(machine):
                self._must_be_on(machine)
                self._crash(machine, at)
            case Boot(machine):
                self._reboot(machine, at)

    def _reboot(self, machine: str, at: Instant) -> None:
        held = next(one.held for one in self.plan.machines if one.name == machine)
        if held:
            raise UserError(f"machine {machine} cannot be switched on: {held}")
        runs = machine in self.names
        if runs:
            self._crash(machine, at)
        try:
            self._switch_on([machine], at)
        except VmdbgError:
            if runs:
                self._note(Deed(at, f"crash {machine}"))
            raise

    def crash(self, machine: str) -> None:
        """It loses its power, which its recording ends with."""
        self.do(f"crash {machine}")

    def _crash(self, machine: str, at: Instant) -> None:
        self._conductor.push(machine, PowerCut(), at)
        report = self._conductor.report(machine)
        assert report is not None
        self._conductor.run_alone(machine, Instant(max(at, report.clock) + 1))
        self._switch_off(machine)

    def _switch_off(self, machine: str) -> None:
        for listener in self.switch_off_listeners:
            listener(machine)
        self._conductor.leave(machine)
        del self._current[machine]
        self._lacks(self._machines.drop(machine))

    def boot(self, machine: str) -> None:
        """Switch it on, from the beginning: one that runs loses its power first."""
        self.do(f"boot {machine}")

    def link(self, name: str) -> LinkSpec:
        """Raises UserError."""
        found = self._conductor.fabric.link(name)
        if found is None:
            raise UserError(f"there is no link {name!r}; there are: {', '.join(link.name for link in self.plan.links)}")
        return found

    # another future

    def instant_of(self, machine: str) -> Instant:
        """Where it stands by itself, on the lab's clock."""
        self._must_be_on(machine)
        return Instant(self._current[machine].born + self.machines[machine].tick)

    def seek(self, instant: int, on_progress: Progress | None = None) -> None:
        """Look at all machines at an instant of the past, or their ends; they go on from where they were. Raises
        UserError.
        """
        if self._machines.processes:
            raise UserError("machines in other processes stay where they are: leave processes out")
        if not 0 <= instant <= self.now:
            raise UserError(f"{instant} is not between 0 and where the lab is, {self.now}")
        for name, guest in self.machines.items():
            wanted = Position(Tick(max(0, instant - self._current[name].born)))
            guest.seek(min(wanted, guest.end), on_progress)
        self.looked_at = Instant(instant) if instant < self._conductor.now else None

    def fork(self, instant: int | None = None, *, record: str | PathLike[str] | None = None) -> None:
        """Drop what came from an instant on, of all machines, and go on from there. Without one: what is looked at.

        What the plan has happen after it happens again; what somebody did does not. A recording keeps what it has;
        `record`: a new folder, for one of all from the beginning on. Raises UserError, RecordingError, and has dropped
        nothing then; EngineError.
        """
        looked_at = self.looked_at
        self._together()
        now = self._conductor.now
        at = Instant(instant) if instant is not None else looked_at if looked_at is not None else now
        if not 0 <= at <= now:
            raise UserError(f"{at} is not between 0 and where the lab is, {now}")
        rows = rows_before(self._rows, at)
        folder = self._writer.folder if self._writer is not None else None
        for life in lives_on(rows, self.plan).values():
            if self._current.get(life.machine) is not life and (folder is None or not life.file):
                raise UserError(
                    f"{life.machine} has lost its power since, and what it did before was not recorded: "
                    "fork at a later instant, or have the lab recorded"
                )
        reports = [self._conductor.report(name) for name in self.names]
        ends = [report.clock for report in reports if report is not None and not report.over]
        hops = tuple(hop for hop in sorted(self.hops, key=lambda hop: hop.sent) if hop.sent < at)
        past = Past(at, base_of(self.plan, min([at, *ends])), rows, hops, self._pushed, folder)
        writer = LabWriter(Path(fspath(record)), self.plan) if record is not None else None
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._begin(past, writer)

    def _begin(self, past: Past, writer: LabWriter | None) -> None:
        lives = lives_on(past.rows, self.plan)
        self._keep_only(lives)
        self._reopen(lives, past)
        self._conductor = Conductor(self.plan, self._on_hop, self._on_report, wait_for, self._on_loss)
        self._writer = None
        self._rows, self._due = list(past.rows), to_come(self.plan, past.rows)
        self.hops, self._placed = [], {}
        for hop in past.hops:
            if hop.sent <= past.base:
                self._on_hop(hop)
        stands = {name: self._fork_one(name, past) for name in lives}
        for name, stand in stands.items():
            self._consoles[name].cut(stand.clock - 1)
            if not self._consoles[name].text:
                self._consoles[name].append(stand.console, stand.clock - 1)
        self._read = {name: min(read, len(self._consoles[name].text)) for name, read in self._read.items()}
        members = {name: self._machines.member(name) for name in lives}
        take_up(self._conductor, self.plan, past, stands, members)
        if writer is not None:
            self._record_on(past, writer)
        else:
            self._forget_files()

    def _forget_files(self) -> None:
        """Of a future that is not recorded: the files that lives were in go on with what was dropped."""
        for number, row in enumerate(self._rows):
            if isinstance(row, Life) and row.file:
                kept_by_nobody = Life(row.machine, row.born, "")
                if self._current.get(row.machine) is row:
                    self._current[row.machine] = kept_by_nobody
                self._rows[number] = kept_by_nobody

    def _keep_only(self, lives: Mapping[str, Life]) -> None:
        """Machines that live through something else by then are freed."""
        for name in [name for name, life in self._current.items() if lives.get(name) is not life]:
            self._switch_off(name)

    def _reopen(self, lives: Mapping[str, Life], past: Past) -> None:
        """Those that are not there any more, from their recordings."""
        gone = {name: life for name, life in lives.items() if name not in self._current}
        if not gone:
            return
        folder = past.folder
        assert folder is not None
        self._machines.make(
            desk_spec(self.plan, name, Instant(life.born), resumes=folder / life.file) for name, life in gone.items()
        )
        self._current |= gone

    def _fork_one(self, name: str, past: Past) -> Stand:
        found = self._machines.call(name, "fork", past.at, past.base)
        assert isinstance(found, Stand)
        return found

    def _record_on(self, past: Past, writer: LabWriter) -> None:
        """All from the beginning, and what comes."""
        for number, row in enumerate(self._rows):
            match row:
                case Deed() | Pushed():
                    writer.note(row)
                case Life(name, born) if self._current.get(name) is row:
                    path = writer.place(name)
                    self._rows[number] = self._current[name] = life = Life(name, born, path.name)
                    writer.life(life)
                    self._machines.call(name, "record_on", path)
                case Life(_, _, file) if file and past.folder is not None:
                    self._rows[number] = writer.copy(row, past.folder / file)
        for hop in self.hops:
            writer.hop(hop)
        self._writer = writer

    # what is heard

    def _on_loss(self, loss: Loss) -> None:
        at = self._placed[loss.link, loss.source, loss.number]
        self.hops[at] = replace(self.hops[at], lost=loss.why)
        if self._writer is not None:
            self._writer.loss(loss)

    def _on_hop(self, hop: Hop) -> None:
        self._placed[hop.link, hop.source, hop.number] = len(self.hops)
        self.hops.append(hop)
        if self._writer is not None:
            self._writer.hop(hop)

    def _on_report(self, name: str, report: Report) -> None:
        self._lacks(report.failure)
        for port, data, at in report.said:
            if port in CONSOLES:
                self._consoles[name].append(data, at)
                self._on_output(name, data, at)

    def close(self) -> None:
        """End the recordings and free the machines."""
        try:
            for words in self._machines.close():
                self._lacks(words)
        finally:
            self._current.clear()
            if self._writer is not None:
                self._writer.close()
                self._lacks(self._writer.failure)
