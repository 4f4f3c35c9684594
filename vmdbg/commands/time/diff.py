"""diff."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

from vmdbg.commands.declare import command
from vmdbg.document.document import (
    Document,
    Style,
    Text,
    address,
    count,
    document,
    hexadecimal,
    joined,
    section,
    table,
    text,
)
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.numbers import how_many
from vmdbg.session.positions import find_position
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.ram import RamImage
from vmdbg.units import PAGE_SIZE, Physical

GAP = 16
REPORTED = 1 << 8
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
    (registers1, devices1, image1), (registers2, devices2, image2) = (_state(session, one) for one in positions)
    names = [name for name in registers1 if registers1[name] != registers2[name]]
    rows = [(text(name, Style.LABEL), hexadecimal(registers1[name]), hexadecimal(registers2[name])) for name in names]
    chips = [text(name, Style.LABEL) for name in devices1 if devices1[name] != devices2[name]]
    pages = session.debugger.machine.pages
    differing = list(image1.differences(image2))
    owners = Counter(pages.owner(number) for number in differing if pages.physical(number) is None)
    chips += [joined((text(name, Style.LABEL), f": {many:,} pages")) for name, many in sorted(owners.items())]
    in_ram = [(number, at) for number in differing if (at := pages.physical(number)) is not None]
    pieces = list(_pieces(image1, image2, in_ram, session.progress))
    shown = [_piece_row(image1, image2, in_ram, *piece) for piece in pieces[: arguments.limit]]
    total = sum(end - start for start, end in pieces)
    summary = text(f"{total:,} bytes in {len(pieces):,} pieces of RAM differ", value=total)
    return document(
        section("registers", table(("register", "before", "after"), rows)),
        section("devices", table(("device",), [(chip,) for chip in chips], titles=False)),
        section("memory", summary, table(("physical", ">bytes", "before", "after"), shown)),
    )


def _state(session: Session, position: Position) -> tuple[dict[str, int], dict[str, bytes], RamImage]:
    with elsewhen(session, position):
        engine = session.debugger.engine
        registers = {name: engine.read_register(name) for name in engine.register_names}
        checkpoint = session.debugger.timeline.checkpoint_here()
        return registers, dict(checkpoint.state.devices), checkpoint.ram


Pages = Sequence[tuple[int, Physical]]
"""Numbers of pages that differ, and their addresses, rising."""


def _pieces(before: RamImage, after: RamImage, pages: Pages, progress: Progress | None) -> Iterator[tuple[int, int]]:
    """Physical ranges that differ; those with less than GAP equal bytes between them are one."""
    current: tuple[int, int] | None = None
    for done, (number, at) in enumerate(pages):
        if progress is not None and not done % REPORTED:
            progress(done / len(pages))
        old, new = before[number].data, after[number].data
        for offset in range(PAGE_SIZE):
            if old[offset] == new[offset]:
                continue
            place = at + offset
            if current is not None and place - current[1] < GAP:
                current = (current[0], place + 1)
            else:
                if current is not None:
                    yield current
                current = (place, place + 1)
    if current is not None:
        yield current


def _piece_row(before: RamImage, after: RamImage, pages: Pages, start: int, end: int) -> tuple[Text, ...]:
    """What was there and is there, as much as is shown."""
    size = min(end - start, PAGE_SIZE)
    old, new = (_read(image, pages, start, size) for image in (before, after))
    return address(start, 8), count(end - start), _bytes(old), _bytes(new)


def _read(image: RamImage, pages: Pages, start: int, size: int) -> bytes:
    first = bisect_right(pages, start, key=lambda page: page[1]) - 1
    data = b"".join(image[number].data for number, _ in pages[first : first + 2])
    at = start - pages[first][1]
    return data[at : at + size]


def _bytes(data: bytes) -> Text:
    more = "..." if len(data) > MOST_SHOWN else ""
    return text(data[:MOST_SHOWN].hex(" ") + more, Style.NUMBER, data.hex() if len(data) <= PAGE_SIZE else None)
