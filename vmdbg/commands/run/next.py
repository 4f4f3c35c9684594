"""next, nexti and their reverses."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.run.step import declare_lines, times
from vmdbg.debugger.stepping import BackwardRun, LineRun, RepeatedRun, back_line, back_over, over_or_step
from vmdbg.document.document import Document
from vmdbg.session.registry import Arguments, Effect, Group
from vmdbg.session.session import Session


@command(
    "nexti",
    Group.RUN,
    declare_lines,
    aliases=("ni", "po"),
    examples=("nexti", "nexti 5"),
    effect=Effect.RUNS,
    repeats=True,
)
def nexti(session: Session, arguments: Arguments) -> Document:
    """Run one instruction; a call with all that it does counts as one, so does a repeated instruction."""
    count = times(session, arguments)
    return session.execution.carry(lambda d: RepeatedRun(d, over_or_step, count))


@command(
    "reverse-nexti",
    Group.RUN,
    declare_lines,
    aliases=(
        "rni",
        "p-",
    ),
    examples=("reverse-nexti",),
    effect=Effect.RUNS,
    repeats=True,
)
def reverse_nexti(session: Session, arguments: Arguments) -> Document:
    """Go back one instruction; over a call that returned here as one."""
    count = times(session, arguments)
    return session.execution.carry(lambda _: BackwardRun(back_over, count))


@command(
    "next", Group.RUN, declare_lines, aliases=("n",), examples=("next", "next 3"), effect=Effect.RUNS, repeats=True
)
def next_line(session: Session, arguments: Arguments) -> Document:
    """Run to another source line, over calls; one instruction where there are no lines."""
    count = times(session, arguments)
    if session.sources.span(session.debugger.pc) is None:
        return nexti(session, arguments)
    lines = session.lines
    return session.execution.carry(lambda d: RepeatedRun(d, lambda d: LineRun(d, lines, into=False), count))


@command(
    "reverse-next",
    Group.RUN,
    declare_lines,
    aliases=("rn",),
    examples=("reverse-next",),
    effect=Effect.RUNS,
    repeats=True,
)
def reverse_next(session: Session, arguments: Arguments) -> Document:
    """Go back to the beginning of the source line that ran before, over calls."""
    count = times(session, arguments)
    if session.sources.span(session.debugger.pc) is None:
        return reverse_nexti(session, arguments)
    lines = session.lines
    return session.execution.carry(lambda _: BackwardRun(lambda d: back_line(d, lines, into=False), count))
