"""context: what one wants to see at every stop, in sections that the user chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.commands.code.bt import fold_words, folded_frames, frame_arguments
from vmdbg.commands.code.context_code import code
from vmdbg.commands.code.context_registers import registers
from vmdbg.commands.code.context_state import SIZES, ContextState
from vmdbg.commands.code.symbol import source_lines
from vmdbg.commands.data.telescope import stack_lines, stack_pointer
from vmdbg.commands.declare import command
from vmdbg.commands.points.conditions import untyped_notes
from vmdbg.document.document import Block, Document, Section, Style, Text, document, joined, section, text
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.formats import parse_format
from vmdbg.session.folding import Fold
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.value_text import value_text

if TYPE_CHECKING:
    from vmdbg.session.session import Session

BESIDE_THE_PANEL = 5
"""Lines of a terminal that a stop takes besides: why, where, what had been typed, the prompt and the bar."""


def declare(parser: Parser) -> None:
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="only these, now: " + ", ".join(SECTIONS))
    parser.add_argument("--set", action="store_true", help="show these, in this order, at every stop from now on")
    parser.add_argument("--off", action="store_true", help="show nothing at stops")
    parser.add_argument("--on", action="store_true", help="show it at stops again")


def show(session: Session, names: list[str], rows: int = 0) -> Document:
    """The sections by name, as much of each as fits a terminal of so many rows, if it is one.

    What cannot be shown says why.
    """
    state = session.part(ContextState)
    state.look()
    for state.size in SIZES:
        shown = _sections(session, state, [name for name in names if name not in state.size.left_out])
        if not rows or sum(1 + len(one.blocks) for one in shown) + BESIDE_THE_PANEL <= rows:
            break
    state.size = SIZES[0]
    return Document(tuple(shown))


def _sections(session: Session, state: ContextState, names: list[str]) -> list[Section]:
    blocks: list[Section] = []
    for name in names:
        try:
            inner = SECTIONS[name](session, state)
        except VmdbgError as error:
            inner = [text(str(error), Style.BAD)]
        if inner:
            blocks.append(section(_title(session, name), *inner, key=name))
    return blocks


def _title(session: Session, name: str) -> str:
    if name != "registers":
        return name
    return f"registers: {session.registers.mode.value}, ring {session.registers.cpl}, tick {session.debugger.position}"


def _source(session: Session, state: ContextState) -> list[Block]:
    return list(source_lines(session, session.debugger.pc, state.size.source))


def _stack(session: Session, state: ContextState) -> list[Block]:
    lines = stack_lines(session, stack_pointer(session), state.size.stack)
    return list(lines) if lines else [text("the stack pointer leads to no memory", Style.BAD)]


def _backtrace(session: Session, state: ContextState) -> list[Block]:
    frames = session.frames.all()
    lines: list[Block] = []
    for part in folded_frames(frames):
        if len(lines) == state.size.frames:
            left = len(frames) - (part.start if isinstance(part, Fold) else part)
            lines.append(text(f"   ... {left} more", Style.DIM))
            break
        if isinstance(part, Fold):
            lines.append(text(f"   ... {fold_words(part)}", Style.DIM))
            continue
        frame = frames[part]
        location = frame.physical.location
        place = str(location) if location is not None and not frame.is_inlined else frame.function
        shown = frame_arguments(session, frame)
        lines.append(
            joined(
                (
                    text(f"{frame.number:2} ", Style.DIM),
                    text(f"{frame.physical.pc:#x}", Style.ADDRESS),
                    text(f" {place}", Style.SYMBOL),
                    f" ({shown})" if shown is not None else "",
                    text(f" {frame.position}" if frame.position else "", Style.DIM),
                )
            )
        )
    return lines


def _watch(session: Session, state: ContextState) -> list[Block]:
    lines: list[Block] = []
    for expression in state.expressions:
        lines += _shown(session, expression)
    return lines


def _shown(session: Session, expression: str) -> list[Block]:
    """An expression with its value; after `/` and format letters, as `x` or `print` show it."""
    try:
        if not expression.startswith("/"):
            value = value_text(session, session.value(expression))
            return [joined((text(f"{expression} = ", Style.LABEL), value))]
        letters, _, words = expression.partition(" ")
        if any(letter in letters for letter in "is"):
            return [text(f"{expression}:", Style.LABEL), *session.run(f"x{expression}").blocks]
        (block,) = session.run(f"print{letters} {words}").blocks
        return [joined((text(f"{expression} = ", Style.LABEL), block))] if isinstance(block, Text) else [block]
    except VmdbgError as error:
        return [joined((text(f"{expression} = ", Style.LABEL), text(str(error), Style.BAD)))]


def _threads(session: Session, state: ContextState) -> list[Block]:
    task = session.system.task()
    return [text(f"{task.name} ({task.pid}) {task.command_line}")] if task is not None else []


Part = Callable[["Session", ContextState], list[Block]]
SECTIONS: dict[str, Part] = {
    "registers": registers,
    "code": code,
    "source": _source,
    "stack": _stack,
    "backtrace": _backtrace,
    "watch": _watch,
    "task": _threads,
}


@command(
    "context",
    Group.LOOK,
    declare,
    aliases=("ctx", "context-sections"),
    examples=("context", "context code stack", "context --set code registers stack", "context --off"),
)
def context(session: Session, arguments: Arguments) -> Document:
    """Show registers with what changed, code with what it is about to do, stack, backtrace, expressions.

    --set chooses the sections and their order for every stop.
    """
    state = session.part(ContextState)
    unknown = [name for name in arguments.sections if name not in SECTIONS]
    if unknown:
        raise UserError(f"there is no section {unknown[0]!r}; there are: {', '.join(SECTIONS)}")
    if arguments.off or arguments.on:
        state.enabled = arguments.on
        return document(f"stops show {'the context' if state.enabled else 'only where they are'}")
    if arguments.set:
        state.sections = list(arguments.sections)
        state.enabled = True
        return document(f"stops show: {', '.join(state.sections) or 'nothing'}")
    return show(session, arguments.sections or state.sections)


def declare_display(parser: Parser) -> None:
    parser.add_argument("expression", nargs="?", default="", metavar="EXPRESSION", help="what; none: list them")
    parser.add_argument("--off", action="store_true", help="show it no longer; without an expression, none")


@command(
    "display",
    Group.LOOK,
    declare_display,
    aliases=("info display",),
    examples=("display rax", "display/i rip", "display --off"),
    rest="expression",
    letters=True,
)
def display(session: Session, arguments: Arguments) -> Document:
    """Show an expression at every stop."""
    state, notes = session.part(ContextState), list[Text]()
    if arguments.off:
        return undisplay(session, arguments)
    if arguments.expression:
        parse_format(arguments.letters)
        notes = untyped_notes(session, session.compile(arguments.expression).valued)
        shown = f"/{arguments.letters} {arguments.expression}" if arguments.letters else arguments.expression
        if shown not in state.expressions:
            state.expressions.append(shown)
    lines = _watch(session, state) or [text("nothing is displayed", Style.DIM)]
    return document(*lines, *notes, value=list(state.expressions))


def declare_undisplay(parser: Parser) -> None:
    parser.add_argument(
        "expression", nargs="?", default="", metavar="EXPRESSION", help="what, or its number in the list; none: all"
    )


@command("undisplay", Group.LOOK, declare_undisplay, examples=("undisplay",), rest="expression")
def undisplay(session: Session, arguments: Arguments) -> Document:
    """Show an expression at stops no longer."""
    state = session.part(ContextState)
    known, unwanted = state.expressions, arguments.expression
    if unwanted.isdecimal() and 0 < int(unwanted) <= len(known):
        unwanted = known[int(unwanted) - 1]
    gone = [one for one in known if not unwanted or unwanted in (one, one.partition(" ")[2])]
    if unwanted and not gone:
        raise UserError(f"{unwanted!r} is not displayed; display lists what is")
    state.expressions = [one for one in known if one not in gone]
    return document(f"{len(gone)} no longer displayed", value=list(state.expressions))
