"""until."""

from __future__ import annotations

from dataclasses import replace

from vmdbg.commands.declare import command
from vmdbg.debugger.stepping import Frame, ToPlaceRun, instruction_at
from vmdbg.document.document import Document
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

PROLOGUE = 32
DEEPEST_FRAME = 4096


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
    """Run to a place, or without one to the code after this instruction or line in the same frame: out of a loop.

    A text in quotes is waited for on the guest's console, as by goto.
    """
    if arguments.place.startswith(('"', "'")):
        return session.run(f"goto {arguments.place}")
    if arguments.place:
        target = session.linear(arguments.place, code=True)
        return session.execution.carry(lambda d: ToPlaceRun(d, target, None))
    span = session.sources.span(session.debugger.pc)
    after = span[1] if span is not None else session.debugger.pc + instruction_at(session.debugger).length
    return session.execution.carry(lambda d: ToPlaceRun(d, after, _frame(session)))


def _frame(session: Session) -> Frame:
    """The frame that counts. A function's first instructions make it deeper."""
    frame = Frame.of(session.debugger)
    found = session.symbols.nearest(session.debugger.pc)
    making = found is not None and found.offset < PROLOGUE
    deeper = replace(frame, rsp=frame.rsp - DEEPEST_FRAME, span=frame.span + DEEPEST_FRAME)
    return deeper if making else frame
