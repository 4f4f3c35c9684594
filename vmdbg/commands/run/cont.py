"""continue, reverse-continue and interrupt."""

from __future__ import annotations

from vmdbg.debugger.actions import Continue, Direction
from vmdbg.debugger.stops import BreakpointStop
from vmdbg.document.document import Document, document
from vmdbg.session.registry import Arguments, Effect, Group, Parser, command
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
    if arguments.ignore:
        number = session.integer(arguments.ignore)
        stop = session.debugger.last_stop
        for point in stop.breakpoints if isinstance(stop, BreakpointStop) else ():
            point.ignore = point.hits.up_to(session.debugger.position) + max(0, number - 1)
    return session.execution.act(Continue())


@command(
    "reverse-continue",
    Group.RUN,
    aliases=("rc", "g-"),
    examples=("reverse-continue",),
    effect=Effect.RUNS,
)
def reverse_continue(session: Session, arguments: Arguments) -> Document:  # noqa: ARG001 - a command's signature
    """Go back to the last instant that a breakpoint, watchpoint or catch stops at, else to the start."""
    return session.execution.act(Continue(Direction.BACKWARD))


@command("interrupt", Group.RUN, aliases=("stop",), examples=("interrupt",))
def interrupt(session: Session, arguments: Arguments) -> Document:  # noqa: ARG001 - a command's signature
    """Stop the guest, if another front end lets it run."""
    if not session.debugger.running:
        return document("the guest stands already")
    session.debugger.interrupt()
    return document("the guest stops at the end of its slice")
