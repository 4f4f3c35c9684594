"""search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice

from vmdbg.commands.data.set_value import value_bytes
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, document, table, text
from vmdbg.errors import UserError
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.words import QuotedText
from vmdbg.units import Linear, Physical
from vmdbg.x86.memory_search import LINEAR_END, search_linear, search_physical

CONTEXT = 16


def declare(parser: Parser) -> None:
    parser.add_argument("what", metavar="WHAT", help='"text", bytes such as 7f454c46 with --hex, or an expression')
    parser.add_argument("start", nargs="?", default="", metavar="ADDRESS", help="from here")
    parser.add_argument("end", nargs="?", default="", metavar="ADDRESS", help="up to here")
    parser.add_argument("--physical", "-p", action="store_true", help="physical memory instead of this address space")
    parser.add_argument("--hex", action="store_true", help="WHAT is bytes in hexadecimal")
    parser.add_argument("--text", action="store_true", help="WHAT is text, quoted or not")
    parser.add_argument(
        "--pointers", action="store_true", help="words that point to the address WHAT, or --size bytes from it"
    )
    parser.add_argument(
        "--size", "-s", default="", metavar="EXPRESSION", help="bytes of the number; of the target of --pointers"
    )
    parser.add_argument("--limit", "-n", type=how_many, default=25, metavar="NUMBER", help="at most so many (25)")


@command(
    "search",
    Group.LOOK,
    declare,
    aliases=("find", "searchmem", "s-mem"),
    examples=(
        'search "sample"',
        "search --text sample",
        "search --hex 554889e5 --limit 3",
        "search rip --pointers",
        "search 0x1badb002 --size 4 --physical",
    ),
)
def search(session: Session, arguments: Arguments) -> Document:
    """Search memory for bytes, text, a number or pointers to something; linear or physical."""
    if arguments.limit < 1:
        raise UserError("--limit must be 1 at least")
    if arguments.pointers:
        found = _pointers(session, arguments)
    else:
        found = list(islice(_places(session, arguments, _pattern(session, arguments)), arguments.limit + 1))
    rows = [_row(session, one, arguments.physical) for one in found[: arguments.limit]]
    more = [text("there are more: --limit shows them", Style.DIM)] if len(found) > arguments.limit else []
    if not rows:
        return document(text("not found", Style.DIM), value=[])
    return document(table(("address", "symbol", "bytes", "text"), rows, titles=False), *more)


def _pattern(session: Session, arguments: Arguments) -> bytes:
    if arguments.hex:
        try:
            pattern = bytes.fromhex(arguments.what.removeprefix("0x"))
        except ValueError as error:
            raise UserError(f"{arguments.what!r} is no sequence of bytes in hexadecimal") from error
    elif arguments.text or isinstance(arguments.what, QuotedText):
        pattern = arguments.what.encode()
    else:
        value = session.evaluate(arguments.what)
        size = session.integer(arguments.size) if arguments.size else session.registers.mode.width // 8
        pattern = value_bytes(value, size)
    if not pattern:
        raise UserError("search for what? there is nothing to find")
    return pattern


def _start(session: Session, arguments: Arguments) -> int:
    return session.place(arguments.start).address if arguments.start else 0


def _places(session: Session, arguments: Arguments, pattern: bytes) -> Iterator[int]:
    """Where the pattern lies, in ascending order."""
    debugger, checked = session.debugger, partial(_checked, session)
    start = _start(session, arguments)
    end = session.place(arguments.end).address if arguments.end else LINEAR_END
    if arguments.physical:
        return search_physical(debugger.physical, pattern, start, end, checked)
    return search_linear(debugger.physical, debugger.linear().paging, pattern, start, end, checked)


def _checked(session: Session, done: int) -> None:
    """Where a search can be left."""
    if session.progress is not None:
        session.progress(min(0.99, done / session.debugger.engine.ram_size))


def _pointers(session: Session, arguments: Arguments) -> list[int]:
    """Aligned words whose value lies in the target. Found by the bytes that all addresses in it share."""
    target = session.linear(arguments.what)
    size = session.integer(arguments.size) if arguments.size else 1
    word = session.registers.mode.width // 8
    if not 1 <= size <= (1 << 64) - target:
        raise UserError(f"{size} is no number of bytes from {target:#x} on")
    low, high = target.to_bytes(8, "little")[:word], (target + size - 1).to_bytes(8, "little")[:word]
    same = next((n for n in range(word) if low[n:] == high[n:]), word)
    if same == word:
        raise UserError(f"{size} bytes from {target:#x} are too many to look for pointers to")
    hits, start = [], _start(session, arguments)
    for place in _places(session, arguments, low[same:]):
        _checked(session, 0)
        begin = place - same
        if begin % word or begin < start:
            continue
        data = _read(session, begin, word, arguments.physical)
        if target <= int.from_bytes(data, "little") < target + size and len(data) == word:
            hits.append(begin)
        if len(hits) > arguments.limit:
            break
    return hits


def _read(session: Session, place: int, size: int, physical: bool) -> bytes:
    if physical:
        room = session.debugger.physical.extent(Physical(place))
        return session.debugger.physical.read(Physical(place), min(size, room))
    return session.debugger.linear().read_prefix(Linear(place), size)


def _row(session: Session, place: int, physical: bool) -> tuple[Text, ...]:
    data = _read(session, place, CONTEXT, physical)
    shown = re.sub(rb"[^ -~]", b".", data).decode()
    where = "" if physical else session.describe(place)
    return (
        address(place, 8 if physical else 16),
        text(where, Style.SYMBOL),
        text(data.hex(" ")),
        text(shown, Style.STRING),
    )
