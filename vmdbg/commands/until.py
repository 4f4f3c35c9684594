"""until."""

from __future__ import annotations

from vmdbg.commands.document import Document
from vmdbg.commands.registry import Arguments, Effect, Group, Parser, command
from vmdbg.commands.session import Session
from vmdbg.commands.stepping import Frame, ToPlaceRun, instruction_at


def declare(parser: Parser) -> None:
    parser.add_argument(
        "place", nargs="?", default="", metavar="ADDRESS", help="where to; none: past what comes next here"
    )


@command(
    "until",
    Group.RUN,
    declare,
    aliases=("advance", "tillhere"),
    examples=("until", "until rip"),
    rest="place",
    effect=Effect.RUNS,
)
def until(session: Session, arguments: Arguments) -> Document:
    """Run to a place, or without one to the code after this instruction or line in the same frame: out of a loop."""
    if arguments.place:
        target = session.linear(arguments.place)
        return session.execution.carry(lambda d: ToPlaceRun(d, target, None))
    span = session.sources.span(session.debugger.pc)
    after = span[1] if span is not None else session.debugger.pc + instruction_at(session.debugger).length
    return session.execution.carry(lambda d: ToPlaceRun(d, after, Frame.of(d)))
