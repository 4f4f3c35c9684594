"""Following pointers: what an address leads to, as a chain with symbols, text and code at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.document.document import Span, Style, Text
from vmdbg.session.code_lines import decode, instruction_spans
from vmdbg.units import Linear
from vmdbg.x86.instruction import MAX_LENGTH
from vmdbg.x86.page_walk import walk

if TYPE_CHECKING:
    from vmdbg.session.session import Session

DEPTH = 4
ARROW = Span(" -> ", Style.DIM)
STACK_REACH = 1 << 14


def chain(session: Session, value: int, depth: int = DEPTH) -> Text:
    """`value -> what it points to -> ...`; a number that points nowhere alone."""
    word = session.registers.mode.width // 8
    memory = session.debugger.linear()
    spans: list[Span] = []
    seen: set[int] = set()
    for _ in range(depth + 1):
        spans += ([ARROW] if spans else []) + _value(session, value, word)
        if value in seen:
            spans.append(Span(" (again)", Style.DIM))
            break
        seen.add(value)
        data = memory.read_prefix(Linear(value), word) if value > 0xFFF else b""
        if len(data) < word:
            break
        kind = _kind(session, value)
        if kind is Style.CODE:
            spans += _code(session, value)
            break
        words = _string(memory.read_prefix(Linear(value), 48))
        if words:
            spans += [ARROW, Span(words, Style.STRING)]
            break
        value = int.from_bytes(data, "little")
    return Text(tuple(spans))


def _value(session: Session, value: int, word: int) -> list[Span]:
    style = _kind(session, value) if value > 0xFFF else Style.NUMBER
    where = session.describe(value) if value > 0xFFF else ""
    shown = f"{value:#0{2 * word + 2}x}" if style is not Style.NUMBER else f"{value:#x}"
    return [Span(shown, style), *([Span(f" <{where}>", Style.SYMBOL)] if where else [])]


def _kind(session: Session, value: int) -> Style:
    """What memory an address is in: code, the stack, other data, or none."""
    debugger = session.debugger
    if debugger.linear().translate(Linear(value)) is None:
        return Style.NUMBER
    if not debugger.linear().paging.mode.is_long and not debugger.linear().paging.cr0 >> 31:
        return Style.HEAP
    rsp = session.registers.read("rsp")
    if abs(value - rsp) < STACK_REACH:
        return Style.STACK
    found = walk(debugger.physical, debugger.linear().paging, Linear(value))
    return Style.CODE if found.permissions.executable and not found.permissions.writable else Style.HEAP


def _code(session: Session, value: int) -> list[Span]:
    data = session.debugger.linear().read_prefix(Linear(value), MAX_LENGTH)
    instruction = decode(session, value, data)
    return [ARROW, *instruction_spans(session, instruction)] if not instruction.is_bad else []


def _string(data: bytes) -> str:
    """Text of four characters or more, quoted; nothing if it is none."""
    end = data.find(b"\0")
    piece = data[:end] if end >= 0 else data
    if len(piece) < 4 or any(not (0x20 <= byte < 0x7F or byte in (9, 10, 13)) for byte in piece):
        return ""
    return repr(piece.decode("ascii")) + ("" if end >= 0 else "...")
