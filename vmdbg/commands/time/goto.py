"""goto."""

from __future__ import annotations

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.backward import SeekRun
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.judge import judge
from vmdbg.debugger.runs import ContinueRun, Run
from vmdbg.debugger.stops import StepDone, Stop
from vmdbg.document.document import Document
from vmdbg.engine.exits import BreakpointHit, EventCaught
from vmdbg.errors import UserError
from vmdbg.machine.cpu_lines import LATENCY
from vmdbg.machine.snapshot import Position
from vmdbg.session.positions import find_position
from vmdbg.session.registry import Arguments, Effect, Group, Parser, command
from vmdbg.session.session import Session
from vmdbg.session.words import unquoted
from vmdbg.units import Tick


def declare(parser: Parser) -> None:
    parser.add_argument(
        "where", metavar="POSITION", help='a tick, +N, -N, +20ms, 50%%, start, end, a bookmark, or "text"'
    )
    parser.add_argument("--port", type=int, default=0, metavar="NUMBER", help="the serial port whose text counts (0)")


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

    "text" in quotes goes to the next time, from here, that a serial console has written it. Where that is still
    to come, breakpoints stop the guest on its way.
    """
    journey = journey_to(session, arguments)
    return session.execution.carry(lambda _: journey)


def journey_to(session: Session, arguments: Arguments) -> Run:
    """What goes where the arguments say. Moves nothing yet. Raises UserError."""
    debugger, words = session.debugger, arguments.where.strip()
    if words[:1] in "'\"":
        wanted = unquoted(words).encode()
        if not wanted:
            raise UserError("goto which text? there is nothing between the quotes")
        return to_text(debugger, wanted, arguments.port)
    position = find_position(session, words)
    if position <= debugger.timeline.end:
        return SeekRun(position)
    if debugger.timeline.closed:
        end = debugger.timeline.end
        raise UserError(f"{position} is after the end of the recording, {end}; fork goes on from there")
    return ContinueRun(debugger, Continue(limit=position.tick))


def to_text(debugger: Debugger, wanted: bytes, port: int) -> Run:
    """To the first instant after this one at which a serial port has written the text."""
    log = debugger.timeline.console.ports.get(port)
    if log is None:
        raise UserError(f"there is no serial port {port}")
    here = debugger.position.tick
    found = log.find(wanted, here)
    if found is not None and found < debugger.timeline.end.tick:
        return SeekRun(Position(Tick(found + 1)))
    if debugger.timeline.closed:
        raise UserError(f"the rest of the recording has no {wanted.decode('utf-8', 'replace')!r} on that port")
    return TextRun(wanted, port)


class TextRun:
    """On until a serial port has written the text, and LATENCY ticks more: the first place to stop exactly."""

    def __init__(self, wanted: bytes, port: int) -> None:
        self._wanted = wanted
        self._port = port
        self._tail = b""
        self._end: Tick | None = None
        self._over = True
        self._debugger: Debugger | None = None

    def slice(self, debugger: Debugger, budget: int) -> Stop | None:
        if self._debugger is None:
            self._debugger = debugger
            debugger.timeline.console.listeners.append(self._on_output)
        timeline = debugger.timeline
        debugger.points.arm(debugger.engine)
        outcome = timeline.advance(Position(Tick(debugger.machine.clock + budget)), over_breakpoint=self._over)
        self._over = isinstance(outcome, BreakpointHit | EventCaught)
        stop = judge(debugger, outcome)
        if stop is None and self._end is not None and debugger.machine.clock >= self._end:
            return StepDone()
        return stop

    def _on_output(self, port: int, data: bytes, now: int) -> None:
        """Runs while guest code does."""
        if port != self._port or self._end is not None or self._debugger is None:
            return
        window = self._tail + data
        if self._wanted in window:
            self._end = Tick(now + LATENCY)
            self._debugger.machine.stop_by(self._end)
        self._tail = window[1 - len(self._wanted) :] if len(self._wanted) > 1 else b""

    def abandon(self, debugger: Debugger) -> None:
        if self._debugger is not None:
            debugger.timeline.console.listeners.remove(self._on_output)
            debugger.machine.lift_stop()
            self._debugger = None
