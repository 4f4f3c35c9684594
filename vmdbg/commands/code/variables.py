"""info locals and info args: the variables of the frame that is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.c.types import declare
from vmdbg.c.values import Value
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Json, Style, Text, document, joined, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame

MAX_LINES = 400
"""Of one variable."""


@command("locals", Group.LOOK, aliases=("info locals",), examples=("info locals", "info locals --json"))
def locals_(session: Session, arguments: Arguments) -> Document:
    """Show the local variables of the frame looked at, those of the innermost block first.

    A variable that has no value at this instruction is `<optimized out>`.
    """
    frame = _frame(session)
    return _shown(session.frames.locals(frame), f"{frame.function} has no local variables here")


@command("args", Group.LOOK, aliases=("info args",), examples=("info args", "info args --json"))
def args(session: Session, arguments: Arguments) -> Document:
    """Show the arguments that the function of the frame looked at was called with, as they are now."""
    frame = _frame(session)
    return _shown(session.frames.parameters(frame), f"{frame.function} has no arguments")


def _frame(session: Session) -> SourceFrame:
    frame = session.frames.selected()
    if frame.scope is None:
        raise UserError(
            f"no debug information covers {frame.physical.pc:#x}; symbol-file reads a file that was compiled with -g"
        )
    return frame


def _shown(variables: Sequence[tuple[str, Value]], none: str) -> Document:
    if not variables:
        return document(text(none, Style.DIM), value=[])
    value: list[Json] = [{"name": name, "type": declare(one.type_, ""), "value": str(one)} for name, one in variables]
    return document(*variable_lines(variables), value=value)


def variable_lines(variables: Sequence[tuple[str, Value]], indent: str = "") -> list[Text]:
    """`name = value`, a struct's members a line each."""
    shown = []
    for name, value in variables:
        first, *rest = str(value).split("\n")
        shown.append(joined((indent, text(name, Style.LABEL), f" = {first}")))
        shown += [text(f"{indent}{line}") for line in rest[:MAX_LINES]]
        if len(rest) > MAX_LINES:
            shown.append(text(f"{indent}... {len(rest) - MAX_LINES} more lines", Style.DIM))
    return shown
