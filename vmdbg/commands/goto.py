"""goto."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.commands.document import Document
from vmdbg.commands.positions import find_position
from vmdbg.commands.registry import Arguments, Effect, Group, Parser, command
from vmdbg.commands.session import Session
from vmdbg.commands.words import unquoted
from vmdbg.debugger.actions import Continue, Seek
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.runs import ContinueRun, Run
from vmdbg.debugger.stops import StepDone, Stop
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick


def declare(parser: Parser) -> None:
    parser.add_argument(
        "where", metavar="POSITION", help='a tick, +N, -N, 50%%, start, end, a bookmark, or "text" on a console'
    )
    parser.add_argument("--port", type=int, default=0, metavar="NUMBER", help="the serial port whose text counts (0)")


@command(
    "goto",
    Group.TIME,
    declare,
    aliases=("run-to", "seek", "ugo", "tt", "skip-to"),
    examples=("goto 5000", "goto +100", "goto 50%", "goto start", "goto end"),
    rest="where",
    effect=Effect.RUNS,
)
def goto(session: Session, arguments: Arguments) -> Document:
    """Go to an instant, backwards or forwards, past every breakpoint; beyond the known history the guest runs on.

    "text" in quotes goes to the next time, from here, that a serial console has written it.
    """
    words = arguments.where.strip()
    if words[:1] in "'\"":
        wanted = unquoted(words).encode()
        if not wanted:
            raise UserError("goto which text? there is nothing between the quotes")
        return session.execution.carry(lambda d: to_text(d, wanted, arguments.port))
    timeline = session.debugger.timeline
    position = find_position(session, words)
    if position <= timeline.end:
        return session.execution.act(Seek(position))
    if timeline.closed:
        raise UserError(f"{position} is after the end of the recording, {timeline.end}; fork goes on from there")
    return session.execution.act(Continue(limit=position.tick))


def to_text(debugger: Debugger, wanted: bytes, port: int) -> Run:
    """To the first instant after this one at which a serial port has written the text."""
    log = debugger.timeline.console.ports.get(port)
    if log is None:
        raise UserError(f"there is no serial port {port}")
    here = debugger.position.tick
    found = log.find(wanted, here)
    if found is not None and found < debugger.timeline.end.tick:
        return _Seek(Position(Tick(found + 1)))
    return TextRun(debugger, lambda: log.find(wanted, here))


class _Seek:
    def __init__(self, position: Position) -> None:
        self._position = position

    def slice(self, debugger: Debugger, budget: int) -> Stop | None:  # noqa: ARG002 - Run's signature
        debugger.timeline.seek(self._position)
        return StepDone()

    def abandon(self, debugger: Debugger) -> None:
        """Nothing is left behind."""


class TextRun:
    """On until the text has been written, then back to that very instant."""

    def __init__(self, debugger: Debugger, find: Callable[[], int | None]) -> None:
        self._find = find
        self._run = ContinueRun(debugger, Continue())

    def slice(self, debugger: Debugger, budget: int) -> Stop | None:
        stop = self._run.slice(debugger, budget)
        found = self._find()
        if found is None:
            return stop
        debugger.timeline.seek(min(Position(Tick(found + 1)), debugger.timeline.end))
        return StepDone()

    def abandon(self, debugger: Debugger) -> None:
        self._run.abandon(debugger)
