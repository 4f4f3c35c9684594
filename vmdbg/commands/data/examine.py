"""x."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.commands.declare import command
from vmdbg.debugger.points import Space
from vmdbg.document.document import Document, Span, Style, Text, document, text
from vmdbg.errors import UserError
from vmdbg.expressions.formats import Format, format_integer, parse_format
from vmdbg.expressions.place import Place
from vmdbg.session.code_lines import code_lines
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Linear, Physical

ROW = {1: 8, 2: 8, 4: 4, 8: 2}
MAX_STRING = 4096
WORD_MASK = (1 << 64) - 1


class Examined:
    """Where the last `x` ended and how it looked, for the next without an address."""

    def __init__(self, session: Session) -> None:
        del session
        self.format = Format(1, "x", 8)
        self.next: Place | None = None


def declare(parser: Parser) -> None:
    parser.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="where; none: go on after the last")
    parser.add_argument("--physical", "-p", action="store_true", help="the address is physical")


@command(
    "x",
    Group.LOOK,
    declare,
    aliases=("examine",),
    examples=("x/4i $rip", "x/8xg rsp", "x/16xb rip", "x/s rip", "x/2dw rsp", "x/4a rsp", "x/4xg phys:0x100000"),
    rest="address",
    letters=True,
    repeats=True,
)
def examine(session: Session, arguments: Arguments) -> Document:
    """Examine memory in gdb's formats: x hex, d u o t decimal to binary, a address, c f, s text, i instructions."""
    seen = session.part(Examined)
    asked = parse_format(arguments.letters)
    letter = asked.letter or seen.format.letter or "x"
    size = asked.size or (_own_size(session, letter) if asked.letter else seen.format.size) or 8
    chosen = Format(asked.count, letter, size)
    place = _place(session, arguments, seen, letter)
    lines, end = _shown(session, place, chosen)
    seen.format, seen.next = Format(1, letter, size), Place(place.space, end & WORD_MASK)
    return document(*lines)


@command(
    "xp",
    Group.LOOK,
    declare,
    examples=("xp 0x7c00", "xp/4xw 0x7c00", "xp/16xb cr3"),
    rest="address",
    letters=True,
    repeats=True,
)
def examine_physical(session: Session, arguments: Arguments) -> Document:
    """Examine physical memory, as x does linear memory."""
    arguments.physical = True
    return examine(session, arguments)


def _own_size(session: Session, letter: str) -> int | None:
    return {"c": 1, "a": session.registers.mode.width // 8, "f": 8}.get(letter)


def _place(session: Session, arguments: Arguments, seen: Examined, letter: str) -> Place:
    if arguments.address:
        return session.place(arguments.address, physical=arguments.physical)
    if seen.next is None:
        if letter != "i":
            raise UserError("x needs an address the first time")
        return Place(Space.LINEAR, session.debugger.pc)
    return seen.next


def _shown(session: Session, place: Place, chosen: Format) -> tuple[list[Text], int]:
    """Lines, and the address after the last byte shown."""
    if chosen.letter == "i":
        if place.is_physical:
            raise UserError("instructions are shown at linear addresses: translate it, or use who-maps")
        lines = list(code_lines(session, place.address, chosen.count))
        return [line.text for line in lines], lines[-1].end if lines else place.address
    if chosen.letter == "s":
        return _strings(session, place, chosen.count)
    letter, size = chosen.letter or "x", chosen.size or 8
    wanted = chosen.count * size
    data = read_prefix_at(session, place, wanted)
    data = data[: len(data) // size * size] or read_at(session, place, size)
    rows = list(_rows(session, place, data, letter, size))
    end = place.address + len(data)
    if len(data) < wanted:
        rows.append(text(f"{end:#x}: there is no more memory to read", Style.DIM))
    return rows, end


def read_at(session: Session, place: Place, size: int) -> bytes:
    if place.is_physical:
        return session.debugger.physical.read(Physical(place.address), size)
    return session.debugger.linear().read(Linear(place.address), size)


def read_prefix_at(session: Session, place: Place, size: int) -> bytes:
    """As much of it as there is. Raises if the first byte cannot be read."""
    read_at(session, place, 1)
    if place.is_physical:
        return read_at(session, place, min(size, max(1, session.debugger.physical.size - place.address)))
    return session.debugger.linear().read_prefix(Linear(place.address), size)


def _rows(session: Session, place: Place, data: bytes, letter: str, size: int) -> Iterator[Text]:
    row = 1 if letter == "a" else ROW.get(size, 2)
    width = 2 * size + 2
    for start in range(0, len(data), size * row):
        here = place.address + start
        spans = [*_label(session, place, here)]
        values = []
        for offset in range(start, min(start + size * row, len(data)), size):
            value = int.from_bytes(data[offset : offset + size], "little")
            shown = format_integer(value, "z" if letter == "x" else letter, size)
            values.append(f"{value:#x}" if letter in "xaz" else shown)
            spans.append(Span(f"  {shown:>{width if letter in 'xza' else 0}}", Style.NUMBER))
            if letter == "a":
                spans.append(Span(f"  {session.describe(value)}", Style.SYMBOL))
        yield Text(tuple(spans), {"address": f"{here:#x}", "values": values})


def _label(session: Session, place: Place, here: int) -> Iterator[Span]:
    yield Span(f"{here:#x}", Style.ADDRESS)
    where = session.describe(here) if not place.is_physical else ""
    yield Span(f" <{where}>:" if where else ":", Style.SYMBOL)


def _strings(session: Session, place: Place, count: int) -> tuple[list[Text], int]:
    lines, here = [], place.address
    for _ in range(count):
        data = _text_at(session, place, here)
        words = data.decode("utf-8", "replace")
        lines.append(Text((*_label(session, place, here), Span(f"  {words!r}", Style.STRING)), words))
        here += len(data) + 1
    return lines, here


def _text_at(session: Session, place: Place, here: int) -> bytes:
    """Up to a zero byte. Raises if the first byte cannot be read."""
    read_at(session, Place(place.space, here), 1)
    if place.is_physical:
        room = session.debugger.physical.size - here
        data = session.debugger.physical.read(Physical(here), min(MAX_STRING, room))
    else:
        data = session.debugger.linear().read_prefix(Linear(here), MAX_STRING)
    return data.split(b"\0", 1)[0]
