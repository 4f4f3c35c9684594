"""The code of a stop: around the pc, where a branch goes, what an operand is."""

from __future__ import annotations

from vmdbg.commands.code.context_state import MARGIN, ContextState
from vmdbg.document.document import Block, Span, Style, Text, joined, text
from vmdbg.errors import VmdbgError
from vmdbg.session.code_lines import CodeLine, code_lines, lines_before
from vmdbg.session.pointers import chain
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.instruction import Instruction, Kind, OperandAccess
from vmdbg.x86.taken import branch_taken, effective_address

BELOW = "        "


def code(session: Session, state: ContextState) -> list[Block]:
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
