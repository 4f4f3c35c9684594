"""goto."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.declare import command
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.backward import SeekRun
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.judge import judge
from vmdbg.debugger.runs import ContinueRun, Run
from vmdbg.debugger.stops import Ended, StepDone, Stop
from vmdbg.document.document import EMPTY, Document
from vmdbg.errors import UserError
from vmdbg.machine.console import COM1, DEBUG_CONSOLE, HVC, PORT_WORDS
from vmdbg.machine.snapshot import Position
from vmdbg.machine.text_watch import TextWatch
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.positions import find_position, ticks_of
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.words import unquoted
from vmdbg.timeline.outcomes import has_yet_to_run
from vmdbg.timeline.texts import last_text, next_text, talking_port
from vmdbg.units import Tick

PATIENCE = "60s"
"""Of guest time: how long a text is waited for if nobody says."""


def declare(parser: Parser) -> None:
    parser.add_argument(
        "where", metavar="POSITION", help='a tick, +N, -N, +20ms, 50%%, start, end, a bookmark, or "text"'
    )
    parser.add_argument(
        "--port", type=int, metavar="NUMBER", help="the serial port whose text counts; -1 is the debug console"
    )
    parser.add_argument("--next", action="store_true", help='"text" that comes after now, though it came before too')
    parser.add_argument(
        "--within", default=PATIENCE, metavar="TIME", help=f'how long to wait for "text", as 20ms or 2G ({PATIENCE})'
    )


@command(
    "goto",
    Group.TIME,
    declare,
    aliases=("run-to", "seek", "ugo", "tt", "skip-to", "seek-ticks"),
    examples=("goto 5000", "goto +100", "goto +20us", "goto 50%", "goto start", "goto end"),
    rest="where",
    effect=Effect.RUNS,
)
def goto(session: Session, arguments: Arguments) -> Document:
    """Go to an instant, backwards or forwards, past every breakpoint of the known history; beyond it the guest runs on.

    "text" in quotes is where a console has written it: the next time from here in what is known, or else the last time
    before (unless --next). One that is still to come is waited for, a minute of guest time or --within, and breakpoints
    stop the guest on its way.
    """
    journey = journey_to(session, arguments)
    if journey is None:
        return EMPTY
    result = session.execution.carry(lambda _: journey)
    if isinstance(journey, TextRun) and journey.missed is not None:
        raise UserError(journey.missed)
    return result


def journey_to(session: Session, arguments: Arguments) -> Run | None:
    """What goes where the arguments say; None if the user would rather not. Moves nothing yet. Raises UserError."""
    debugger, words = session.debugger, arguments.where.strip()
    if words[:1] in "'\"":
        wanted = unquoted(words).encode()
        if not wanted:
            raise UserError("goto which text? there is nothing between the quotes")
        return _to_text(session, wanted, arguments)
    if arguments.port is not None or arguments.next or arguments.within != PATIENCE:
        raise UserError(f'--port, --next and --within are for a "text" in quotes, and {words} is none')
    position = find_position(session, words)
    if position <= debugger.timeline.end:
        return SeekRun(position)
    if debugger.timeline.closed:
        end = debugger.timeline.end
        raise UserError(f"{position} is after the end of the recording, {end}; fork goes on from there")
    return ContinueRun(debugger, Continue(limit=position.tick))


def _to_text(session: Session, wanted: bytes, arguments: Arguments) -> Run | None:
    timeline = session.debugger.timeline
    port = talking_port(timeline) if arguments.port is None else arguments.port
    if port not in timeline.console.ports:
        raise UserError(f"there is no serial port {port}: {PORT_WORDS}")
    known = _known(session, port, wanted, only_next=arguments.next)
    if known is not None:
        return SeekRun(known)
    words = repr(wanted.decode("utf-8", "replace"))
    if timeline.closed:
        where = "the rest of the recording" if arguments.next else "the recording"
        raise UserError(f"{where} has no {words} on that console")
    patience = ticks_of(session, arguments.within)
    if patience < 1:
        raise UserError("--within takes a time from 1 tick on, as 20ms or 2G")
    if session.ask is not None and not session.ask(
        f"{words} has not been written yet. Run until it is, at most {arguments.within} of the guest's time?"
    ):
        return None
    here = timeline.console.ports
    ports = tuple(one for one in (COM1, HVC, DEBUG_CONSOLE) if one in here) if arguments.port is None else (port,)
    return TextRun(wanted, ports, patience)


def _known(session: Session, port: int, wanted: bytes, *, only_next: bool) -> Position | None:
    timeline = session.debugger.timeline
    with elsewhen(session), timeline.undisturbed():
        found = next_text(timeline, port, wanted)
    if found is not None or only_next:
        return found
    with elsewhen(session), timeline.undisturbed():
        found = last_text(timeline, port, wanted)
    if found is not None and not timeline.closed:
        session.notices.append("that was before; goto --next waits for the next time")
    return found


class TextRun:
    """On until a console has written the text, and LATENCY ticks more: the first place to stop exactly."""

    def __init__(self, wanted: bytes, ports: Sequence[int], patience: int) -> None:
        self._wanted = wanted
        self._ports = ports
        self._patience = patience
        self._limit = Tick(0)
        self._watch: TextWatch | None = None
        self._over = True
        self.missed: str | None = None
        """Why it was not found, if it was not."""

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        watch = self._watch = self._watch or self._watching(debugger)
        timeline = debugger.timeline
        debugger.points.arm(debugger.engine)
        goal = Tick(min(debugger.machine.clock + budget, self._limit))
        outcome = timeline.advance(Position(goal), over_breakpoint=self._over)
        self._over = has_yet_to_run(outcome)
        stop = judge(debugger, outcome)
        if stop is None and watch.reached(debugger.machine.clock):
            return StepDone()
        if watch.stop_at is None:
            if isinstance(stop, Ended):
                self.missed = f"{self._words} was not written before the guest ended"
            elif stop is None and debugger.machine.clock >= self._limit:
                self.missed = f"{self._words} was not written in {self._patience:,} ticks; --within waits longer"
                return StepDone()
        return stop

    def _watching(self, debugger: Debuggee) -> TextWatch:
        console = debugger.timeline.console
        self._limit = Tick(debugger.timeline.end.tick + self._patience)
        written = {port: bytes(console.port(port).text[-len(self._wanted) :]) for port in self._ports}
        watch = TextWatch(debugger.machine, self._wanted, written)
        console.listeners.append(watch.on_output)
        return watch

    @property
    def _words(self) -> str:
        return repr(self._wanted.decode("utf-8", "replace"))

    def abandon(self, debugger: Debuggee) -> None:
        if self._watch is not None:
            debugger.timeline.console.listeners.remove(self._watch.on_output)
            self._watch.lift()
            self._watch = None
