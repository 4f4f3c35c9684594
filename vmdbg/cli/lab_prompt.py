"""The prompt of a lab: one machine is looked at, by all commands that one has; a few more are for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from devices.network.packet_filter import PROTOCOLS
from vmdbg.api.guest import Guest
from vmdbg.api.lab import PAST, STEP, Lab, OnOutput
from vmdbg.api.lab_file import duration
from vmdbg.api.lab_recording import LabRecording
from vmdbg.cli.lab_packets import is_of, meant, packet_words
from vmdbg.commands.code.context import show
from vmdbg.commands.code.context_state import ContextState
from vmdbg.debugger.describe import describe_ending
from vmdbg.debugger.stops import Ended
from vmdbg.document.document import Block, Document, Table, document, table, text
from vmdbg.document.plain import render_plain
from vmdbg.errors import UserError, VmdbgError
from vmdbg.host.control_c import control_c_ignored, control_c_interrupts
from vmdbg.host.exit_code import ExitCode
from vmdbg.host.signals import SIGNALS
from vmdbg.host.terminal import both_ends_are_terminals
from vmdbg.interruption import INTERRUPTION, StoppedError
from vmdbg.lab.actions import FORMS
from vmdbg.lab.plan import NET_PORTS, NEVER, Instant
from vmdbg.repl.console import GuestConsole
from vmdbg.repl.interjections import Interjections
from vmdbg.repl.keys import KeyLine
from vmdbg.repl.line_session import Typed
from vmdbg.repl.output import Output
from vmdbg.repl.progress import ProgressLine
from vmdbg.repl.themes import default_theme
from vmdbg.session.session import Session

HELP = """machine NAME        look at that machine from now on
machines            all: where they are, and what they run
links               the links, and how much was put on each
packets [N] [NAME] [arp|ip|ip6|icmp|tcp|udp ...]
                    what was put on links last: where and when it was sent, and where and when it came
run TIME            let all go on for so long, as 250ms; of a recording, go on in it
goto TIME           look at all machines at that instant; `end` is where they are, or the recording ends
fork [FOLDER]       go on from the instant of the machine that is looked at: what came after it is dropped, of all, and
                    the lab is live; a recording keeps what it has; FOLDER, which is new, records all from the beginning
query WHAT...       asked of all machines, with a column that says of which
do ACTION           {actions}
help lab            this; `help` is the machine's
quit
Everything else is for the machine that is looked at; where it goes on, the others go along."""
SHOWN = 20


class LabPrompt:
    """Who makes one closes its `lab`, which `fork` makes another of a recording."""

    def __init__(self, lab: Lab | LabRecording, on_output: OnOutput, flush: Callable[[], None]) -> None:
        """`on_output`: has what machines write that are live from a `fork` on."""
        self._lab = lab
        self._on_output = on_output
        self._flush = flush
        self._focus = next(iter(lab.machines), lab.plan.machines[0].name)
        self._failed = False
        self._last = ""
        self._theme = default_theme()
        self._output = Output(
            self._theme,
            GuestConsole(lambda: None),
            Interjections(lambda: None),
            as_json=False,
            idle=INTERRUPTION.check,
        )
        self._progress = ProgressLine()

    def talk(self, lines: Sequence[str], *, stay: bool) -> int:
        """Carry out lines, then those that a user types, if they are to. The exit code."""
        for line in lines:
            if not self._carry_out(line):
                return self._code
        if stay:
            self._converse()
        return self._code

    def make_room(self) -> None:
        """A machine writes to its console."""
        self._progress.hide()

    @property
    def lab(self) -> Lab | LabRecording:
        return self._lab

    @property
    def _code(self) -> int:
        return ExitCode.USAGE if self._failed else ExitCode.DONE

    def _converse(self) -> None:
        """Ctrl-C ends what a line does, and not the process."""
        read = self._reader()
        typed = ""
        with control_c_ignored():
            while True:
                try:
                    found = read(typed)
                except EOFError:
                    return
                except StoppedError:
                    raise
                except KeyboardInterrupt:
                    typed = ""
                    continue
                typed = found.typed if isinstance(found, KeyLine) else ""
                with SIGNALS.at_work(), control_c_interrupts():
                    if not self._carry_out(self._repeated(found)):
                        return

    def _reader(self) -> Callable[[str], Typed]:
        if not both_ends_are_terminals():
            return lambda _typed: input()
        from vmdbg.cli.lab_terminal import LabTerminal

        terminal = LabTerminal(self._theme, self.words(), self.session, self._clock)
        self._show_context()
        return lambda typed: terminal.read(self._focus, typed)

    def words(self) -> dict[str, Callable[[], Iterable[str]]]:
        """The lab's own commands, and what may follow them."""
        plan = self._lab.plan
        machines, links = [one.name for one in plan.machines], [one.name for one in plan.links]
        cables = [f"{name}.{port}" for name in machines for port in plan.ports(name) if port in NET_PORTS]
        own: dict[str, Callable[[], Iterable[str]]] = {
            "machine": lambda: self._lab.machines,
            "machines": lambda: (),
            "links": lambda: (),
            "packets": lambda: [*machines, *links, *PROTOCOLS],
            "run": lambda: ("1ms", "10ms", "100ms", "1s"),
        }
        own["goto"] = lambda: ("end",)
        own["fork"] = lambda: ()
        own["do"] = lambda: [*FORMS, *machines, *links, *cables] if isinstance(self._lab, Lab) else ()
        return own

    def session(self) -> Session | None:
        guest = self._lab.machines.get(self._focus)
        return guest.session if guest is not None else None

    def _repeated(self, found: Typed) -> str:
        """An empty line is the last again, where that steps."""
        if isinstance(found, KeyLine):
            return found.command
        line = found if found.strip() else self._last
        session = self.session()
        try:
            repeats = session is not None and bool(line.strip()) and session.registry.split(line)[0].repeats
        except VmdbgError:
            repeats = False
        self._last = line if repeats else ""
        return line

    def _carry_out(self, line: str) -> bool:
        """Whether there is more to come."""
        word, _, rest = line.strip().partition(" ")
        if word in ("quit", "q", "exit"):
            return False
        session = self.session()
        stops = session.moments.stops if session is not None else 0
        try:
            with self._waiting():
                answer, as_json = self._answer(word, rest.strip(), line)
            self._flush()
            self._output.document(answer, as_json=as_json)
            if session is not self.session() or (session is not None and session.moments.stops > stops):
                self._show_context()
        except VmdbgError as error:
            self._failed = True
            self._flush()
            self._output.fail(error)
        except StoppedError:
            raise
        except KeyboardInterrupt:
            self._flush()
            self._output.say("interrupted")
        return True

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """What takes long says how far it is."""
        for guest in self._lab.machines.values():
            guest.session.progress = self._progress.share
        self._progress.begin()
        try:
            yield
        finally:
            self._progress.end()

    def _show_context(self) -> None:
        """The panel of the machine that is looked at, as that machine's own prompt has it."""
        session = self.session()
        if session is None or not self._output.interactive:
            return
        state = session.part(ContextState)
        if state.enabled:
            session.columns = self._output.size.columns
            self._output.document(show(session, state.sections, self._output.size.lines), crop=True)

    def _answer(self, word: str, rest: str, line: str) -> tuple[Document, bool]:
        """And whether it was asked for as JSON."""
        found = self._of_lab(word, rest, line)
        return (found, False) if found is not None else self._of_machine(line)

    def _of_lab(self, word: str, rest: str, line: str) -> Document | None:
        lab = self._lab
        match word:
            case "":
                return document()
            case "machine":
                return document(self._look_at(rest))
            case "machines":
                return document(self._machines())
            case "links":
                return document(self._links())
            case "packets":
                return document(self._packets(rest.split()))
            case "run":
                return self._run(rest)
            case "goto":
                lab.seek(self._time(rest), self._progress.share)
                return document(self._where())
            case "fork" | "go-live":
                return document(self._fork(rest))
            case "do":
                if isinstance(lab, LabRecording):
                    raise UserError(PAST)
                lab.do(rest)
                return document(self._where())
            case "query":
                return self._query(line)
            case "help" if rest == "lab":
                return document(*HELP.format(actions="; ".join(FORMS.values())).splitlines())
            case _:
                return None

    def _guest(self) -> Guest:
        found = self._lab.machines.get(self._focus)
        if found is None:
            raise UserError(f"{self._focus} is switched off: look at another, by `machine NAME`")
        return found

    def _of_machine(self, line: str) -> tuple[Document, bool]:
        answer, as_json = self._guest().session.run_line(line)
        lab = self._lab
        if isinstance(lab, Lab) and lab.stopped_elsewhere(self._focus):
            told = text(f"{lab.stopped} has stopped, and the others with it: `machine {lab.stopped}`")
            answer = Document((*answer.blocks, told), answer.value)
        return answer, as_json

    def _look_at(self, name: str) -> str:
        if name not in self._lab.machines:
            raise UserError(f"there is no machine {name!r} that is on; there are: {', '.join(self._lab.machines)}")
        self._focus = name
        return self._where()

    def _where(self) -> str:
        where = f"{self._focus}, at {self._now / 1e9:.9f} s of the lab's clock"
        on = self._switched_on()
        return where if on <= self._now else f"{where}, before it was switched on, at {on / 1e9:.9f} s"

    def _switched_on(self) -> Instant:
        """When the machine was that is looked at, as it is known here: what it lived through before is not."""
        guest = self._lab.machines.get(self._focus)
        return Instant(self._lab.instant_of(self._focus) - guest.tick) if guest is not None else Instant(0)

    def _clock(self) -> str:
        return f"{self._focus} {self._now / 1e9:.9f} s"

    @property
    def _now(self) -> Instant:
        """What is looked at."""
        lab = self._lab
        return lab.now if isinstance(lab, LabRecording) or lab.looked_at is None else lab.looked_at

    def _fork(self, folder: str) -> str:
        lab, focus = self._lab, self._focus
        is_there = focus in lab.machines and self._switched_on() <= self._now
        at = lab.instant_of(focus) if is_there else self._now
        record = folder or None
        if isinstance(lab, LabRecording):
            self._lab = lab.fork(min(at, lab.end), record=record, on_output=self._on_output)
            lab.close()
            self._last = ""
        else:
            lab.fork(min(at, lab.now), record=record)
        if focus not in self._lab.machines:
            self._focus = next(iter(self._lab.machines), focus)
        kept = f"; {folder} records it" if folder else ""
        return f"the lab is live from {self._lab.now / 1e9:.9f} s{kept}"

    def _time(self, text: str) -> int:
        if text == "end":
            return self._lab.end if isinstance(self._lab, LabRecording) else self._lab.now
        try:
            return duration(text)
        except ValueError as error:
            raise UserError(str(error)) from None

    def _run(self, time: str) -> Document:
        lab = self._lab
        if isinstance(lab, LabRecording):
            lab.seek(min(lab.end, lab.now + self._time(time)), self._progress.share)
            return document(self._where())
        if lab.looked_at is not None:
            lab.seek(min(lab.now, lab.looked_at + self._time(time)), self._progress.share)
            return document(self._where())
        stopped = self._run_live(lab, self._time(time))
        if stopped:
            self._focus = stopped
            told = f"{stopped} has stopped, at {lab.now / 1e9:.9f} s"
            seen = () if self._output.interactive else self._guest().session.run("context").blocks
            return document(told, *seen)
        return document(self._where())

    def _run_live(self, lab: Lab, time: int) -> str:
        """A part at a time. Which machine has stopped before, or ""."""
        begin = lab.now
        while True:
            here = lab.now
            stopped = lab.run_until(min(begin + time, here + STEP))
            if stopped or not here < lab.now < begin + time:  # all may have ended
                return stopped
            self._progress.share((lab.now - begin) / time)

    def _machines(self) -> Table:
        rows = []
        on: Mapping[str, Guest] = self._lab.machines
        for spec in self._lab.plan.machines:
            guest = on.get(spec.name)
            if guest is None:
                rows.append((spec.name, "", "", "switched off"))
                continue
            stop = guest.debugger.last_stop
            ended = guest.timeline.machine.ending
            state = describe_ending(stop.outcome) if isinstance(stop, Ended) else str(ended) if ended else "stands"
            marked = f"{spec.name} *" if spec.name == self._focus else spec.name
            rows.append((marked, str(guest.position), f"{guest.pc:#x}", _runs(guest) or state))
        return table(["machine", "tick", "pc", "runs"], rows)

    def _links(self) -> Table:
        hops = self._hops()
        rows = []
        for link in self._lab.plan.links:
            mine = [hop for hop in hops if hop[0] == link.name]
            lost = sum(1 for hop in mine if hop[6])
            rows.append(
                (link.name, str(link.ends[0]), str(link.ends[1]), f"{link.latency} ns", str(len(mine)), str(lost))
            )
        return table(["link", "from", "to", "latency", "packets", "lost"], rows)

    def _hops(self) -> list[tuple[str, str, str, int, int, int, str, bytes]]:
        """Link, source, target, sent, due, size, why lost, first bytes; up to now."""
        lab = self._lab
        if isinstance(lab, Lab):
            every = sorted(lab.hops, key=lambda hop: hop.sent)
            return [(h.link, h.source, h.target, h.sent, h.due, len(h.data), h.lost, h.data) for h in every]
        return [
            (row.link, row.source, row.target, row.sent, row.due, row.size, row.lost, bytes.fromhex(row.head))
            for row in lab.passages
            if row.sent <= lab.now
        ]

    def _packets(self, words: Sequence[str]) -> Table:
        count = next((int(word) for word in words if word.isdecimal()), SHOWN)
        names, protocols = meant(self._lab.plan, [word for word in words if not word.isdecimal()])
        hops = [
            hop
            for hop in self._hops()
            if (not names or any(name in (hop[0], *_nodes(hop[1], hop[2])) for name in names))
            and (not protocols or is_of(hop[1], hop[7], protocols))
        ]
        now = self._lab.now if isinstance(self._lab, Lab) else NEVER
        rows = [
            (
                hop[1],
                f"{hop[3] / 1e9:.9f}",
                hop[2],
                _came(hop[4], hop[6], now),
                str(hop[5]),
                packet_words(hop[1], hop[7]),
            )
            for hop in hops[-count:]
        ]
        return table(["from", "sent", "to", "came", "bytes", "what"], rows)

    def _query(self, line: str) -> Document:
        blocks: list[Block | str] = []
        merged: Table | None = None
        refused: dict[str, UserError] = {}
        for name, guest in self._lab.machines.items():
            try:
                answer = guest.session.run(line)
            except UserError as error:
                refused[name] = error
                continue
            for block in answer.blocks:
                if not isinstance(block, Table):
                    blocks += [f"{name}: {line}" for line in render_plain(Document((block,))).splitlines() if line]
                    continue
                found = table(["machine", *block.columns], [(name, *row) for row in block.rows])
                same = merged is not None and merged.columns == found.columns
                merged = Table(found.columns, (*merged.rows, *found.rows)) if merged is not None and same else found
                if not same:
                    blocks.append(found)
                else:
                    blocks = [block for block in blocks if not isinstance(block, Table)] + [merged]
        if len(refused) == len(self._lab.machines):
            raise next(iter(refused.values()))
        return document(*blocks, *(f"{name}: {error}" for name, error in refused.items()))


def _runs(guest: Guest) -> str:
    """What its system runs, if that is known."""
    try:
        words = render_plain(guest.session.run("current")).split()
    except VmdbgError:
        return ""
    return words[1] if len(words) > 1 and words[0] == "name" else ""


def _came(due: int, lost: str, now: int) -> str:
    return lost or (f"{due / 1e9:.9f}" if due < now else "on its way")


def _nodes(*ends: str) -> list[str]:
    return [end.partition(".")[0] for end in ends]
