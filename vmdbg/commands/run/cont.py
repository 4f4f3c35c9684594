"""continue, reverse-continue and interrupt."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.actions import Continue, Direction
from vmdbg.debugger.stops import BreakpointStop
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument(
        "ignore", nargs="?", default="", metavar="EXPRESSION", help="ignore the breakpoint here so many times more"
    )


@command(
    "continue",
    Group.RUN,
    declare,
    aliases=("c", "cont", "g", "run"),
    examples=("continue", "continue 10"),
    effect=Effect.RUNS,
)
def continue_(session: Session, arguments: Arguments) -> Document:
    """Run until something stops the guest; Ctrl-C does."""
    return _go(session, arguments, Direction.FORWARD)


def _go(session: Session, arguments: Arguments, direction: Direction) -> Document:
    """What is to be ignored on this run is no longer ignored once it has stopped."""
    stop = session.debugger.last_stop
    points = stop.breakpoints if arguments.ignore and isinstance(stop, BreakpointStop) else ()
    times = session.integer(arguments.ignore) - 1 if arguments.ignore else 0
    if times < 0:
        raise UserError(f"{arguments.ignore}: how many times to run past the breakpoint begins at 1")
    for point in points:
        point.ignore_next(max(0, times))
    try:
        return session.execution.act(Continue(direction))
    finally:
        for point in points:
            point.ignore_next(0)


@command(
    "reverse-continue",
    Group.RUN,
    declare,
    aliases=("rc", "g-"),
    examples=("reverse-continue", "reverse-continue 10"),
    effect=Effect.RUNS,
)
def reverse_continue(session: Session, arguments: Arguments) -> Document:
    """Go back to the last instant that a breakpoint, watchpoint or catch stops at, else to the start."""
    return _go(session, arguments, Direction.BACKWARD)


@command("interrupt", Group.RUN, aliases=("stop",), examples=("interrupt",))
def interrupt(session: Session, arguments: Arguments) -> Document:
    """Stop the guest, if another front end lets it run."""
    if not session.debugger.running:
        return document("the guest stands already")
    session.debugger.interrupt()
    return document("the guest stops at the end of its slice")
