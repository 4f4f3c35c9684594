"""next, nexti and their reverses."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.run.step import by_instructions, by_lines, declare_lines, times
from vmdbg.debugger.actions import Direction
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
    return by_instructions(session, times(session, arguments), Direction.FORWARD, into=False)


@command(
    "reverse-nexti",
    Group.RUN,
    declare_lines,
    aliases=("rni", "p-"),
    examples=("reverse-nexti",),
    effect=Effect.RUNS,
    repeats=True,
)
def reverse_nexti(session: Session, arguments: Arguments) -> Document:
    """Go back one instruction; over a call that returned here as one."""
    return by_instructions(session, times(session, arguments), Direction.BACKWARD, into=False)


@command(
    "next", Group.RUN, declare_lines, aliases=("n",), examples=("next", "next 3"), effect=Effect.RUNS, repeats=True
)
def next_line(session: Session, arguments: Arguments) -> Document:
    """Run to another source line, over calls; one instruction where there are no lines."""
    return by_lines(session, arguments, Direction.FORWARD, into=False)


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
    return by_lines(session, arguments, Direction.BACKWARD, into=False)
