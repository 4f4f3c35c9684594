"""diff."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, count, document, hexadecimal, section, table, text
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.numbers import how_many
from vmdbg.session.positions import find_position
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.timeline.outcomes import Progress
from vmdbg.units import PAGE_SIZE

GAP = 16
REPORTED = 1 << 20
MOST_SHOWN = 16


def declare(parser: Parser) -> None:
    parser.add_argument("first", metavar="POSITION", help="one instant")
    parser.add_argument("second", nargs="?", default="here", metavar="POSITION", help="the other (this one)")
    parser.add_argument(
        "--limit", "-n", type=how_many, default=50, metavar="NUMBER", help="at most so many pieces of memory (50)"
    )


@command("diff", Group.TIME, declare, examples=("diff start", "diff start here --json"))
def diff(session: Session, arguments: Arguments) -> Document:
    """Show what differs between two instants: registers, devices and pieces of memory."""
    positions = [find_position(session, words) for words in (arguments.first, arguments.second)]
    if arguments.limit < 1:
        raise UserError("--limit must be 1 at least")
    (registers1, devices1, ram1), (registers2, devices2, ram2) = (_state(session, one) for one in positions)
    names = [name for name in registers1 if registers1[name] != registers2[name]]
    rows = [(text(name, Style.LABEL), hexadecimal(registers1[name]), hexadecimal(registers2[name])) for name in names]
    chips = [text(name, Style.LABEL) for name in devices1 if devices1[name] != devices2[name]]
    pieces = list(_pieces(ram1, ram2, session.progress))
    shown = [_piece_row(start, ram1[start:end], ram2[start:end]) for start, end in pieces[: arguments.limit]]
    total = sum(end - start for start, end in pieces)
    summary = text(f"{total:,} bytes in {len(pieces):,} pieces of RAM differ", value=total)
    return document(
        section("registers", table(("register", "before", "after"), rows)),
        section("devices", table(("device",), [(chip,) for chip in chips], titles=False)),
        section("memory", summary, table(("physical", ">bytes", "before", "after"), shown)),
    )


def _state(session: Session, position: Position) -> tuple[dict[str, int], dict[str, bytes], bytes]:
    with elsewhen(session, position):
        engine = session.debugger.engine
        registers = {name: engine.read_register(name) for name in engine.register_names}
        return registers, dict(session.debugger.machine.save().devices), bytes(engine.ram)


def _pieces(before: bytes, after: bytes, progress: Progress | None) -> Iterator[tuple[int, int]]:
    """Ranges that differ; those with less than GAP equal bytes between them are one."""
    current: tuple[int, int] | None = None
    for page in range(0, len(before), PAGE_SIZE):
        if progress is not None and not page % REPORTED:
            progress(page / len(before))
        if before[page : page + PAGE_SIZE] == after[page : page + PAGE_SIZE]:
            continue
        for offset in range(page, page + PAGE_SIZE):
            if before[offset] == after[offset]:
                continue
            if current is not None and offset - current[1] < GAP:
                current = (current[0], offset + 1)
            else:
                if current is not None:
                    yield current
                current = (offset, offset + 1)
    if current is not None:
        yield current


def _piece_row(start: int, before: bytes, after: bytes) -> tuple[Text, ...]:
    return address(start, 8), count(len(before)), _bytes(before), _bytes(after)


def _bytes(data: bytes) -> Text:
    more = "..." if len(data) > MOST_SHOWN else ""
    return text(data[:MOST_SHOWN].hex(" ") + more, Style.NUMBER, data.hex() if len(data) <= PAGE_SIZE else None)
