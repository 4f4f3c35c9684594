"""Following pointers: what an address leads to, as a chain with symbols, text and code at its end."""

from __future__ import annotations

from vmdbg.document.document import Span, Style, Text
from vmdbg.session.code_lines import decode, instruction_spans
from vmdbg.session.known_guest import KnownGuest
from vmdbg.units import Linear
from vmdbg.x86.instruction import MAX_LENGTH
from vmdbg.x86.page_walk import walk

DEPTH = 4
ARROW = Span(" -> ", Style.DIM)
STACK_REACH = 1 << 14


def chain(guest: KnownGuest, value: int, depth: int = DEPTH) -> Text:
    """`value -> what it points to -> ...`; a number that points nowhere alone."""
    word = guest.registers.mode.width // 8
    memory = guest.debugger.linear()
    spans: list[Span] = []
    seen: set[int] = set()
    for _ in range(depth + 1):
        spans += ([ARROW] if spans else []) + _value(guest, value, word)
        if value in seen:
            spans.append(Span(" (again)", Style.DIM))
            break
        seen.add(value)
        data = memory.read_prefix(Linear(value), word) if value > 0xFFF else b""
        if len(data) < word:
            break
        kind = _kind(guest, value)
        if kind is Style.CODE:
            spans += _code(guest, value)
            break
        words = _string(memory.read_prefix(Linear(value), 48))
        if words:
            spans += [ARROW, Span(words, Style.STRING)]
            break
        value = int.from_bytes(data, "little")
    return Text(tuple(spans))


def _value(guest: KnownGuest, value: int, word: int) -> list[Span]:
    style = _kind(guest, value) if value > 0xFFF else Style.NUMBER
    where = guest.describe(value) if value > 0xFFF else ""
    shown = f"{value:#0{2 * word + 2}x}" if style is not Style.NUMBER else f"{value:#x}"
    return [Span(shown, style), *([Span(f" <{where}>", Style.SYMBOL)] if where else [])]


def _kind(guest: KnownGuest, value: int) -> Style:
    """What memory an address is in: code, the stack, other data, or none."""
    debugger = guest.debugger
    if debugger.linear().translate(Linear(value)) is None:
        return Style.NUMBER
    if not debugger.linear().paging.mode.is_long and not debugger.linear().paging.cr0 >> 31:
        return Style.HEAP
    rsp = guest.registers.read("rsp")
    if abs(value - rsp) < STACK_REACH:
        return Style.STACK
    found = walk(debugger.physical, debugger.linear().paging, Linear(value))
    return Style.CODE if found.permissions.executable and not found.permissions.writable else Style.HEAP


def _code(guest: KnownGuest, value: int) -> list[Span]:
    data = guest.debugger.linear().read_prefix(Linear(value), MAX_LENGTH)
    instruction = decode(guest, value, data)
    return [ARROW, *instruction_spans(guest, instruction)] if not instruction.is_bad else []


def _string(data: bytes) -> str:
    """Text of four characters or more, quoted; nothing if it is none."""
    end = data.find(b"\0")
    piece = data[:end] if end >= 0 else data
    if len(piece) < 4 or any(not (0x20 <= byte < 0x7F or byte in (9, 10, 13)) for byte in piece):
        return ""
    return repr(piece.decode("ascii")) + ("" if end >= 0 else "...")
