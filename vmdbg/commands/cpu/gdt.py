"""gdt and ldt."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, document, hexadecimal, joined, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.tables import read_gdt, read_ldt
from vmdbg.x86.descriptor_tables import Table, TableEntry
from vmdbg.x86.descriptors import Gate, Segment
from vmdbg.x86.registers import SEGMENTS

COLUMNS = (">selector", "base", "limit", "dpl", "what", "used by", "problems")
LAST_SELECTOR = 0xFFFF


def declare(parser: Parser) -> None:
    parser.add_argument("selector", nargs="?", default="", metavar="EXPRESSION", help="only the entry of this selector")
    parser.add_argument("--all", action="store_true", help="empty entries too")


@command("gdt", Group.CPU, declare, aliases=("info gdt", "gdtinfo"), examples=("gdt", "gdt cs", "gdt --all"))
def gdt(session: Session, arguments: Arguments) -> Document:
    """Show the global descriptor table, with the registers that use each entry and what is wrong with it."""
    return _shown(session, read_gdt(session), arguments, "GDT")


@command("ldt", Group.CPU, declare, aliases=("info ldt",), examples=("ldt",))
def ldt(session: Session, arguments: Arguments) -> Document:
    """Show the local descriptor table, if there is one."""
    found = read_ldt(session)
    if found is None:
        _index(session, arguments)
        return document("LDTR is null: there is no local descriptor table", table(COLUMNS, ()))
    return _shown(session, found, arguments, "LDT")


def _shown(session: Session, found: Table, arguments: Arguments, name: str) -> Document:
    entries = [entry for entry in found.entries if arguments.all or any(entry.raw)]
    index = _index(session, arguments)
    if index is not None:
        entries = [entry for entry in found.entries if entry.index == index]
        if not entries:
            raise UserError(f"the {name} has no entry {index}: its limit is {found.limit:#x}")
    users = _users(session)
    title = joined((text(f"{name} at ", Style.HEADING), address(found.base), f" limit {found.limit:#x}"))
    rows = [_row(entry, users.get(entry.selector, ())) for entry in entries]
    problems = [text(f"problem: {problem}", Style.BAD) for problem in found.problems]
    return document(title, table(COLUMNS, rows), *problems)


def _index(session: Session, arguments: Arguments) -> int | None:
    """The index in the selector that is asked for. Raises UserError for what is no selector."""
    if not arguments.selector:
        return None
    selector = session.integer(arguments.selector)
    if not 0 <= selector <= LAST_SELECTOR:
        raise UserError(f"{selector:#x} is no selector: it does not fit in 16 bits")
    return selector >> 3


def _users(session: Session) -> dict[int, list[str]]:
    users: dict[int, list[str]] = {}
    for name in (*SEGMENTS, "ldtr", "tr"):
        users.setdefault(session.registers.read(name) & ~3, []).append(name)
    return users


def _row(entry: TableEntry, users: list[str] | tuple[str, ...]) -> tuple[Text, ...]:
    used = text(" ".join(users) if entry.selector & ~4 else "", Style.CURRENT)
    wrong = text("; ".join(entry.problems), Style.BAD)
    selector = hexadecimal(entry.selector)
    match entry.descriptor:
        case Segment() as segment:
            kind = segment.kind + ("" if segment.present else ", not present")
            cells = address(segment.base), hexadecimal(segment.limit), text(str(segment.dpl)), text(kind)
        case Gate() as gate:
            cells = address(gate.offset), hexadecimal(gate.selector.value), text(str(gate.dpl)), text(gate.type.label)
        case _:
            empty = "empty" if not any(entry.raw) else entry.raw.hex(" ")
            cells = text(""), text(""), text(""), text(empty, Style.DIM)
    return selector, *cells, used, wrong
