"""ivt."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, document, hexadecimal, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Physical
from vmdbg.x86.exceptions import find_vector, vector_name
from vmdbg.x86.interrupt_tables import IvtEntry, read_ivt


def declare(parser: Parser) -> None:
    parser.add_argument("vectors", nargs="*", metavar="VECTOR", help="which; none: those that lead anywhere")
    parser.add_argument("--all", action="store_true", help="entries that are zero too")


@command("ivt", Group.CPU, declare, aliases=("info ivt",), examples=("ivt", "ivt 0x10 8"))
def ivt(session: Session, arguments: Arguments) -> Document:
    """Show the real-mode interrupt vectors at the base of IDTR, at physical 0 unless it was moved."""
    real = not session.registers.mode.is_protected
    base = session.registers.read("idtr_base") if real else 0
    limit = session.registers.read("idtr_limit") if real else 0x3FF
    entries = read_ivt(lambda at, size: _read(session, at, size), base, limit)
    wanted = {_vector(word) for word in arguments.vectors}
    every = arguments.all or bool(wanted)
    shown = [e for e in entries if (not wanted or e.vector in wanted) and (every or e.segment or e.offset)]
    rows = [_row(session, entry) for entry in shown]
    note = [] if real else [text("the CPU is in protected mode: this is what real mode would use", Style.DIM)]
    return document(*note, table((">vector", "name", "segment:offset", "linear", "symbol"), rows))


def _vector(word: str) -> int:
    found = find_vector(word)
    if found is None:
        raise UserError(f"{word!r} is no vector: give #PF, 14 or 0x10")
    return found


def _read(session: Session, at: int, size: int) -> bytes:
    memory = session.debugger.physical
    size = max(0, min(size, memory.size - at))
    return memory.read(Physical(at), size)


def _row(session: Session, entry: IvtEntry) -> tuple[Text, ...]:
    name = vector_name(entry.vector)
    return (
        hexadecimal(entry.vector, 2),
        text("" if name.startswith("0x") else name, Style.LABEL),
        text(f"{entry.segment:04x}:{entry.offset:04x}", Style.ADDRESS),
        address(entry.linear, 5),
        text(session.describe(entry.linear), Style.SYMBOL),
    )
