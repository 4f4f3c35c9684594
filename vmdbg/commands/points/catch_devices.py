"""catch disk, catch msi, catch ipi, catch packet: what devices do, and CPUs to one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from devices.disk.cd_unit import CdUnit
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.requests import Operation
from devices.disk.unit import DiskUnit
from vmdbg.commands.points.conditions import expression_test, tell_untyped
from vmdbg.debugger.point_table import PointTable
from vmdbg.document.document import Json
from vmdbg.engine.stops import DeviceCatch, DiskCatch, IpiCatch, MessageCatch, PacketCatch
from vmdbg.errors import UserError
from vmdbg.session.drives import add_drive, drive_named
from vmdbg.session.interrupt_names import interrupt_names
from vmdbg.session.processors import chosen_cpu
from vmdbg.session.registry import Arguments, Parser, did_you_mean
from vmdbg.session.session import Session

DEVICE_KINDS = ("disk", "msi", "ipi", "packet")
LAST_SECTOR = 1 << 64
MOST_CATCHES = 256


def declare_devices(parser: Parser) -> None:
    parser.add_argument("--sector", default="", metavar="A[-B]", help="of `disk`: requests that move any of these")
    add_drive(parser, "of `disk`: at this one")
    parser.add_argument("--cpu", default="", metavar="EXPRESSION", help="of `ipi`: what this CPU sends")
    parser.add_argument("--to", default="", metavar="EXPRESSION", help="of `ipi`: what this CPU is sent")


def change_devices(session: Session, arguments: Arguments) -> None:
    """Set one more, or take away those that are meant. Raises UserError."""
    points = session.debugger.points
    catch = MAKERS[arguments.kind](session, arguments)
    if arguments.off:
        left = tuple(one for one in points.catches.devices if not _is_meant(one, catch))
        points.update_catches(devices=left)
        return
    if any(_same(one, catch) for one in points.catches.devices):
        points.update_catches(devices=tuple(one for one in points.catches.devices if not _same(one, catch)))
    if len(points.catches.devices) >= MOST_CATCHES:
        raise UserError(f"{MOST_CATCHES} things that devices do are caught, which is all: `uncatch {arguments.kind}`")
    words = arguments.condition
    if not words:
        points.catch_device(catch, None, words)
        return
    expression = session.compile(words)
    test = expression_test(session, expression)
    tell_untyped(session, expression)
    points.catch_device(catch, lambda _: test(), words)


def _disk(session: Session, arguments: Arguments) -> DiskCatch:
    for word in arguments.what:
        if word not in list(Operation):
            known = ", ".join(Operation)
            raise UserError(f"{word!r} is nothing that is asked of a drive; catch disk takes: {known}")
    operations = frozenset(arguments.what) or frozenset(map(str, Operation))
    first, end = _sectors(session, arguments.sector)
    return DiskCatch(session.debugger.points.new_catch(), operations, first, end, _drive(session, arguments.drive))


def _sectors(session: Session, words: str) -> tuple[int, int]:
    """`2048` or `2048-2055`: the first, and the one after the last."""
    if not words:
        return 0, LAST_SECTOR
    low, dash, high = words.partition("-")
    first = session.integer(low)
    last = session.integer(high) if dash else first
    if not 0 <= first <= last < LAST_SECTOR:
        raise UserError(f"{words!r} are no sectors: the first and the last, as 2048-2055")
    return first, last + 1


def _drive(session: Session, word: str) -> str:
    if not word:
        return ""
    devices = session.debugger.machine.pc.devices.items()
    return drive_named(word, (name for name, device in devices if isinstance(device, DiskUnit | CdUnit | FloppyUnit)))


def _message(session: Session, arguments: Arguments) -> MessageCatch:
    vectors = frozenset(_vector(session, word) for word in arguments.what)
    return MessageCatch(session.debugger.points.new_catch(), vectors)


def _vector(session: Session, word: str) -> int:
    vector = session.integer(word)
    if not 0 <= vector <= 0xFF:
        raise UserError(f"{vector:#x} is no vector of an interrupt: 0 to 0xff")
    return vector


def _ipi(session: Session, arguments: Arguments) -> IpiCatch:
    names = {name.upper(): vector for vector, name in interrupt_names(session).items()} if arguments.what else {}
    vectors = frozenset(_named_vector(session, names, word) for word in arguments.what)
    sender = chosen_cpu(session, arguments.cpu) if arguments.cpu else None
    receiver = chosen_cpu(session, arguments.to) if arguments.to else None
    return IpiCatch(session.debugger.points.new_catch(), vectors, sender, receiver)


def _named_vector(session: Session, names: Mapping[str, int], word: str) -> int:
    """A number, or what the handler in the IDT is for: RESCHEDULE. Raises UserError."""
    if word.upper() in names:
        return names[word.upper()]
    if not word[0].isdecimal() and word.isidentifier():
        known = ", ".join(names)
        raise UserError(f"no interrupt is called {word!r}{did_you_mean(word.upper(), names)}; there are: {known}")
    return _vector(session, word)


def _packet(session: Session, arguments: Arguments) -> PacketCatch:
    from devices.network.packet_filter import parse_filter

    words = " ".join(arguments.what)
    try:
        parse_filter(words)
    except ValueError as error:
        raise UserError(str(error)) from None
    return PacketCatch(session.debugger.points.new_catch(), words)


MAKERS: Mapping[str, Callable[[Session, Arguments], DeviceCatch]] = {
    "disk": _disk,
    "msi": _message,
    "ipi": _ipi,
    "packet": _packet,
}


def _is_meant(one: DeviceCatch, by: DeviceCatch) -> bool:
    """Whether one that is set is among those that these words name."""
    match one, by:
        case DiskCatch(), DiskCatch():
            within = by.first <= one.first and one.end <= by.end
            return within and one.operations <= by.operations and by.drive in ("", one.drive)
        case MessageCatch(), MessageCatch():
            return _are_among(one.vectors, by.vectors)
        case IpiCatch(), IpiCatch():
            of_cpus = by.sender in (None, one.sender) and by.receiver in (None, one.receiver)
            return of_cpus and _are_among(one.vectors, by.vectors)
        case PacketCatch(), PacketCatch():
            return by.words in ("", one.words)
        case _:
            return False


def _are_among(vectors: frozenset[int], of: frozenset[int]) -> bool:
    return not of or (bool(vectors) and vectors <= of)


def _same(one: DeviceCatch, other: DeviceCatch) -> bool:
    """But for their numbers."""
    match one, other:
        case IpiCatch(), IpiCatch():
            return (one.vectors, one.sender, one.receiver) == (other.vectors, other.sender, other.receiver)
        case MessageCatch(), MessageCatch():
            return one.vectors == other.vectors
        case PacketCatch(), PacketCatch():
            return one.words == other.words
        case _:
            return _is_meant(one, other) and _is_meant(other, one)


def device_lines(points: PointTable) -> Iterator[str]:
    """What is caught of what devices do, in words."""
    for catch in points.catches.devices:
        condition = points.catch_conditions.get(catch.number)
        yield f"{_words(catch)}{f' if {condition[1]}' if condition else ''}"


def _words(catch: DeviceCatch) -> str:
    if isinstance(catch, MessageCatch):
        return f"messages: {_vectors(catch.vectors)}"
    if isinstance(catch, IpiCatch):
        sender = f" from CPU {catch.sender}" if catch.sender is not None else ""
        receiver = f" to CPU {catch.receiver}" if catch.receiver is not None else ""
        return f"interrupts between CPUs: {_vectors(catch.vectors)}{sender}{receiver}"
    if isinstance(catch, PacketCatch):
        return f"packets: {catch.words or 'all'}"
    words = f"disk: {', '.join(_in_order(catch.operations))}"
    if catch.end == catch.first + 1:
        words += f", sector {catch.first}"
    elif catch.end != LAST_SECTOR:
        words += f", sectors {catch.first} to {catch.end - 1}"
    return f"{words} of {catch.drive or 'every drive'}"


def _vectors(vectors: frozenset[int]) -> str:
    return ", ".join(f"{vector:#x}" for vector in sorted(vectors)) or "every vector"


def _in_order(operations: Iterable[str]) -> list[str]:
    return [operation for operation in Operation if operation in operations]


def device_values(points: PointTable) -> list[Json]:
    """The same as data."""
    found: list[Json] = []
    for catch in points.catches.devices:
        condition = points.catch_conditions.get(catch.number, (None, ""))[1]
        if isinstance(catch, MessageCatch):
            vectors: list[Json] = [*sorted(catch.vectors)]
            found.append({"kind": "msi", "vectors": vectors, "condition": condition})
            continue
        if isinstance(catch, IpiCatch):
            vectors = [*sorted(catch.vectors)]
            between: dict[str, Json] = {"cpu": catch.sender, "to": catch.receiver}
            found.append({"kind": "ipi", "vectors": vectors, **between, "condition": condition})
            continue
        if isinstance(catch, PacketCatch):
            found.append({"kind": "packet", "filter": catch.words, "condition": condition})
            continue
        operations: list[Json] = [*_in_order(catch.operations)]
        end = None if catch.end == LAST_SECTOR else catch.end - 1
        found.append(
            {
                "kind": "disk",
                "operations": operations,
                "first": catch.first,
                "last": end,
                "drive": catch.drive,
                "condition": condition,
            }
        )
    return found
