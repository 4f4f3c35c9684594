"""context: what one wants to see at every stop, in sections that the user chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.commands.code.bt import fold_words, folded_frames, frame_arguments
from vmdbg.commands.code.symbol import source_lines
from vmdbg.commands.data.telescope import stack_lines, stack_pointer
from vmdbg.commands.declare import command
from vmdbg.document.document import Block, Document, Section, Span, Style, Text, document, joined, section, text
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.formats import parse_format
from vmdbg.session.code_lines import CodeLine, code_lines, lines_before
from vmdbg.session.folding import Fold
from vmdbg.session.pointers import chain
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.value_text import value_text
from vmdbg.units import Linear
from vmdbg.x86.instruction import Instruction, Kind, OperandAccess
from vmdbg.x86.mode import Width
from vmdbg.x86.registers import GENERAL, SEGMENTS, set_flags
from vmdbg.x86.taken import branch_taken, effective_address

if TYPE_CHECKING:
    from vmdbg.session.session import Session

BESIDE_THE_PANEL = 5
"""Lines of a terminal that a stop takes besides: why, where, what had been typed, the prompt and the bar."""
MARGIN = 2
BELOW = "        "
MOST_IN_A_ROW = 4


@dataclass(frozen=True, slots=True)
class Size:
    """How much of each section is shown. `left_out` are sections that there is no room for.

    Without `all_registers`, only the stack pointer and those that have changed.
    """

    before: int = 3
    after: int = 6
    source: int = 7
    stack: int = 8
    frames: int = 6
    all_registers: bool = True
    left_out: frozenset[str] = frozenset()


SIZES = (
    Size(),
    Size(2, 5, 5, 5, 4),
    Size(2, 4, 5, 3, 3),
    Size(2, 4, 5, 3, 3, all_registers=False),
    Size(1, 3, 3, 2, 2, all_registers=False),
    Size(1, 3, 3, 2, 2, all_registers=False, left_out=frozenset({"stack"})),
    Size(1, 2, 1, 1, 1, all_registers=False, left_out=frozenset({"stack", "backtrace"})),
)
"""From what a large terminal has room for downwards."""


class ContextState:
    """Which sections in which order, and the registers of the stop before, to mark what changed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sections: list[str] = ["registers", "code", "source", "stack", "backtrace", "watch"]
        self.enabled = True
        self.before: dict[str, int] = {}
        self.now: dict[str, int] = {}
        self.expressions: list[str] = []
        self.size = SIZES[0]
        self._epoch: object = None

    def look(self) -> None:
        """Take the registers as they are; those of the last different instant are the ones before."""
        epoch = self._session.debugger.epoch
        if epoch == self._epoch:
            return
        self._epoch = epoch
        engine = self._session.debugger.engine
        names = (*GENERAL, "rip", "rflags", *SEGMENTS, "cr0", "cr2", "cr3", "cr4", "efer", "fs_base", "gs_base")
        self.before, self.now = self.now, {name: engine.read_register(name) for name in names}

    def style(self, name: str) -> Style:
        """Of a register's value: whether it changed."""
        return Style.CHANGED if self.before and self.before.get(name) != self.now.get(name) else Style.NUMBER


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


def _registers(session: Session, state: ContextState) -> list[Block]:
    wide = session.registers.mode.width is Width.BITS64
    names = list(GENERAL if wide else GENERAL[:8])
    if not state.size.all_registers:
        names = [name for name in names if name == "rsp" or state.style(name) is Style.CHANGED]
    lines: list[Block] = []
    plain = [_cell(state, name, wide) for name in names]
    lines += _rows(plain, session.columns, MOST_IN_A_ROW)
    pointer = "rip" if wide else "eip"
    where = session.describe(session.debugger.pc)
    flags = joined((text("rflags ", Style.LABEL), text(_flags(state.now["rflags"]), state.style("rflags"))))
    head = joined((text(f"{pointer} ", Style.LABEL), text(_wide(state.now["rip"], wide), state.style("rip"))))
    here = joined((head, text(f" <{where}>" if where else "", Style.SYMBOL)))
    fits = len(f"{here}  {flags}") + MARGIN <= session.columns
    lines += [joined((here, "  ", flags))] if fits else [here, flags]
    changed = [name for name in ("cr0", "cr3", "cr4", "efer", *SEGMENTS) if state.style(name) is Style.CHANGED]
    if not session.registers.mode.is_long or changed:
        lines += _segments(state, session.columns)
    return lines


def _rows(cells: list[Text], columns: int, most: int, gap: str = "  ") -> list[Block]:
    """Cells of the same width, as many in a row as fit."""
    fitting = (columns - MARGIN + len(gap)) // (max(len(str(cell)) for cell in cells) + len(gap))
    row = max(1, min(most, fitting))
    return [joined(_gapped(cells[start : start + row], gap)) for start in range(0, len(cells), row)]


def _wide(value: int, wide: bool) -> str:
    return f"{value:016x}" if wide else f"{value & 0xFFFFFFFF:08x}"


def _cell(state: ContextState, name: str, wide: bool) -> Text:
    label = name if wide else f"e{name[1:]}"
    return joined((text(f"{label:>3} ", Style.LABEL), text(_wide(state.now[name], wide), state.style(name))))


def _gapped(cells: list[Text], gap: str) -> list[Text | str]:
    return [part for cell in cells for part in (cell, gap)][:-1]


def _flags(value: int) -> str:
    return f"{value:#x} [{set_flags('rflags', value)}]"


def _segments(state: ContextState, columns: int) -> list[Block]:
    names = (*SEGMENTS, "cr0", "cr3", "cr4", "efer")
    cells = [joined((text(f"{name} ", Style.LABEL), text(f"{state.now[name]:x}", state.style(name)))) for name in names]
    whole = joined(_gapped(cells, " "))
    return [whole] if len(str(whole)) + MARGIN <= columns else _rows(cells, columns, len(cells), " ")


def _code(session: Session, state: ContextState) -> list[Block]:
    pc = session.debugger.pc
    try:
        after = list(code_lines(session, pc, state.size.after))
    except VmdbgError as error:
        return [text(str(error), Style.BAD)]
    lines: list[Block] = [_line(session, line, "   ") for line in lines_before(session, pc, state.size.before)]
    for line in after:
        if line.instruction.address == pc:
            lines += _current(session, line)
        else:
            lines.append(_line(session, line, "   "))
    if after and _branches(session, after[0].instruction):
        target = after[0].instruction.target
        if target is not None:
            lines += _target_lines(session, target)
    return lines


def _current(session: Session, line: CodeLine) -> list[Block]:
    """The instruction with what it is about to do, beside it or below it."""
    note = _note(session, line.instruction)
    beside = _line(session, line, "=> ", note)
    if note is None or len(str(beside)) + MARGIN <= session.columns:
        return [beside]
    return [_line(session, line, "=> "), joined((BELOW, note))]


def _line(session: Session, line: CodeLine, mark: str, note: Text | None = None) -> Text:
    """Where there is room for either, the instruction is shown rather than the symbol that it belongs to."""
    address, *rest = line.text.spans
    before = len(mark) + len(address.text) + len(rest[0].text)
    if rest[0].style is Style.SYMBOL and before + len(str(line.instruction)) + 2 * MARGIN > session.columns:
        del rest[0]
    spans = (Span(mark, Style.CURRENT), address, *rest, *(note.spans if note is not None else ()))
    return Text(spans, line.text.value)


def _branches(session: Session, instruction: Instruction) -> bool:
    if not instruction.kind & (Kind.JUMP | Kind.CALL):
        return False
    return _taken(session, instruction) is not False


def _taken(session: Session, instruction: Instruction) -> bool | None:
    read = session.registers.read
    return branch_taken(instruction, read("rflags"), read("rcx"))


def _target_lines(session: Session, target: int) -> list[Block]:
    """The first instructions where the branch goes."""
    try:
        lines = list(code_lines(session, target, 2))
    except VmdbgError as error:
        return [text(f"      -> {error}", Style.BAD)]
    return [_line(session, line, "      -> " if number == 0 else "         ") for number, line in enumerate(lines)]


def _note(session: Session, instruction: Instruction) -> Text | None:
    """What the instruction is about to do: the branch, the memory that it touches, the port."""
    parts: list[Text | str] = []
    taken = _taken(session, instruction)
    if taken is not None:
        parts.append(text("  taken" if taken else "  not taken", Style.GOOD if taken else Style.DIM))
    for operand in instruction.memory:
        if operand.access is OperandAccess.ADDRESS:
            continue
        where = effective_address(instruction, operand, session.registers.read)
        parts += [text("  [", Style.DIM), text(f"{where:#x}", Style.ADDRESS)]
        name = session.describe(where)
        parts += [text(f" <{name}>" if name else "", Style.SYMBOL), text("] = ", Style.DIM)]
        parts.append(_memory_value(session, where, operand.size))
    return joined(parts) if parts else None


def _memory_value(session: Session, where: int, size: int) -> Text:
    data = session.debugger.linear().read_prefix(Linear(where), min(max(size, 1), 16))
    if len(data) < min(size, 16):
        return text("not mapped", Style.BAD)
    value = int.from_bytes(data, "little")
    return chain(session, value, 1) if size == session.registers.mode.width // 8 else text(f"{value:#x}", Style.NUMBER)


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
            value = value_text(session, session.evaluate(expression))
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
    "registers": _registers,
    "code": _code,
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
    state = session.part(ContextState)
    if arguments.off:
        return undisplay(session, arguments)
    if arguments.expression:
        parse_format(arguments.letters)
        session.compile(arguments.expression)
        shown = f"/{arguments.letters} {arguments.expression}" if arguments.letters else arguments.expression
        if shown not in state.expressions:
            state.expressions.append(shown)
    lines = _watch(session, state) or [text("nothing is displayed", Style.DIM)]
    return document(*lines, value=list(state.expressions))


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
