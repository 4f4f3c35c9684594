"""watch, rwatch, awatch, ba."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vmdbg.commands.declare import command
from vmdbg.commands.points.breakpoints import added, break_
from vmdbg.commands.points.conditions import declare_conditions, make_condition
from vmdbg.debugger.points import Space
from vmdbg.document.document import Document
from vmdbg.engine.exits import Access
from vmdbg.errors import UserError, VmdbgError
from vmdbg.expressions.place import Aim, Place
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Linear, Physical


def declare(parser: Parser) -> None:
    parser.add_argument("place", metavar="ADDRESS", help="address, symbol, segment:offset or phys:address")
    parser.add_argument(
        "size", nargs="?", default="", metavar="EXPRESSION", help="bytes; else the symbol's or a word's"
    )
    parser.add_argument("--physical", "-p", action="store_true", help="the address is physical")
    parser.add_argument("--temporary", "-t", action="store_true", help="gone once it has stopped")
    parser.add_argument("--any", action="store_true", help="stop for writes that change nothing too")
    declare_conditions(parser)


@command(
    "watch",
    Group.POINTS,
    declare,
    aliases=("wa", "hwatch"),
    examples=(
        "watch rsp",
        "watch rsp 16 --any",
        "watch phys:0xb8000 4000",
        "watch rsp if value == 5",
        "watch rsp --ring 0",
    ),
    condition=True,
)
def watch(session: Session, arguments: Arguments) -> Document:
    """Stop after a write that changes memory; conditions may use `value`, what is there now.

    Writes by any instruction through any address space that maps the page are seen.
    """
    return _watch(session, arguments, (Access.WRITE,), on_change=not arguments.any)


@command("rwatch", Group.POINTS, declare, aliases=("rw",), examples=("rwatch rsp 8",), condition=True)
def rwatch(session: Session, arguments: Arguments) -> Document:
    """Stop after a read of memory."""
    return _watch(session, arguments, (Access.READ,), on_change=False)


@command("awatch", Group.POINTS, declare, aliases=("aw",), examples=("awatch rsp 8",), condition=True)
def awatch(session: Session, arguments: Arguments) -> Document:
    """Stop after a read or write of memory."""
    return _watch(session, arguments, tuple(Access), on_change=False)


def declare_ba(parser: Parser) -> None:
    parser.add_argument("access", metavar="ACCESS", help="e, r or w and the bytes, as WinDbg has it: w4, r1, e1")
    declare(parser)


@command("ba", Group.POINTS, declare_ba, examples=("ba w8 rsp", "ba e1 rip"), condition=True)
def ba(session: Session, arguments: Arguments) -> Document:
    """Break on access in WinDbg's words: execution, read or write, and the size."""
    letter, digits = arguments.access[:1].lower(), arguments.access[1:]
    if arguments.size and (digits or letter in "ex"):
        raise UserError(f"{arguments.size!r} is one argument too many: {arguments.access} says how many bytes already")
    if letter not in "erwx" or not letter or (digits and not digits.isdigit()):
        raise UserError(f"{arguments.access!r}: an access is e, r or w and a number of bytes, such as w4")
    if letter in "ex":
        return break_(session, arguments)
    arguments.size = digits or arguments.size
    accesses = (Access.WRITE,) if letter == "w" else tuple(Access)
    return _watch(session, arguments, accesses, on_change=False)


def _watch(session: Session, arguments: Arguments, accesses: Iterable[Access], *, on_change: bool) -> Document:
    place = session.place(arguments.place, physical=arguments.physical, aim=Aim.OBJECT)
    size = object_size(session, place, arguments.size)
    condition, words = make_condition(session, arguments, {"value": _reader(session, place, size)})
    point = session.debugger.points.add_watchpoint(
        place.address,
        size,
        accesses,
        space=place.space,
        owner=session.owner,
        condition=condition,
        text=words or arguments.place,
        temporary=arguments.temporary,
        on_change=on_change,
    )
    return added(session, point, arguments)


def object_size(session: Session, place: Place, given: str) -> int:
    """The size that is asked for, or that of what lies there. Raises UserError for what memory cannot have."""
    size = session.integer(given) if given else default_size(session, place)
    most = session.debugger.engine.ram_size
    if not 1 <= size <= most:
        raise UserError(f"{size} is no number of bytes to look at: 1 to {most}, which is all memory")
    return size


def default_size(session: Session, place: Place) -> int:
    """That of the object named; of the symbol that begins there if it is a word at most; else a word of the mode."""
    if place.size is not None:
        return place.size
    word = session.registers.mode.width // 8
    found = session.symbols.nearest(place.address) if place.space is Space.LINEAR else None
    if found is not None and found.offset == 0 and 0 < found.symbol.size < word:
        return found.symbol.size
    return word


def _reader(session: Session, place: Place, size: int) -> Callable[[], int | bytes]:
    """What is there now: a number, or bytes if it is longer than one."""

    def read() -> int | bytes:
        debugger = session.debugger
        try:
            if place.is_physical:
                data = debugger.physical.read(Physical(place.address), size)
            else:
                data = debugger.linear().read(Linear(place.address), size)
        except VmdbgError:
            return 0
        return int.from_bytes(data, "little") if size <= 16 else data

    return read
