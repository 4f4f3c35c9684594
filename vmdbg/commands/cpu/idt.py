"""idt."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, document, hexadecimal, joined, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.tables import all_tables, is_long, read_prefix
from vmdbg.x86.descriptors import Gate
from vmdbg.x86.exceptions import find_vector, vector_name
from vmdbg.x86.interrupt_tables import IdtEntry, idt_problems, read_idt


def declare(parser: Parser) -> None:
    parser.add_argument("vector", nargs="?", default="", metavar="VECTOR", help="one vector: a number or #PF, gp ...")
    parser.add_argument("--all", action="store_true", help="gates that are not present too")


@command("idt", Group.CPU, declare, aliases=("info idt", "idtinfo"), examples=("idt", "idt #PF", "idt 0x20"))
def idt(session: Session, arguments: Arguments) -> Document:
    """Show the interrupt descriptor table, each gate with its handler and checked against the GDT and TSS."""
    if not session.registers.mode.is_protected:
        raise UserError("the CPU is in real mode, where vectors are in the IVT: use ivt")
    read = session.registers.read
    base, limit, long = read("idtr_base"), read("idtr_limit"), is_long(session)
    entries = read_idt(lambda at, size: read_prefix(session, at, size), base, limit, all_tables(session), long=long)
    problems = idt_problems(base, limit, entries, long=long)
    shown = _chosen(entries, arguments)
    title = joined((text("IDT at ", Style.HEADING), address(base), f" limit {limit:#x}"))
    rows = [_row(session, entry) for entry in shown]
    columns = (">vector", "name", "handler", "symbol", "selector", "dpl", "ist", "what", "problems")
    return document(title, table(columns, rows), *(text(f"problem: {one}", Style.BAD) for one in problems))


def _chosen(found: Sequence[IdtEntry], arguments: Arguments) -> list[IdtEntry]:
    if not arguments.vector:
        return [e for e in found if arguments.all or (isinstance(e.gate, Gate) and e.gate.present) or e.problems]
    vector = find_vector(arguments.vector)
    if vector is None:
        raise UserError(f"{arguments.vector!r} is no vector: a number from 0 to 255 or a name such as #PF")
    if vector >= len(found):
        raise UserError(f"the IDT has no gate {vector:#x}: it holds {len(found)} vectors")
    return [found[vector]]


def _row(session: Session, entry: IdtEntry) -> tuple[Text, ...]:
    name = vector_name(entry.vector)
    name = "" if name.startswith("0x") else name
    start = hexadecimal(entry.vector, 2), text(name, Style.LABEL)
    wrong = text("; ".join(entry.problems), Style.BAD)
    if not isinstance(entry.gate, Gate):
        return *start, text(""), text(""), text(""), text(""), text(""), text("empty", Style.DIM), wrong
    gate = entry.gate
    kind = gate.type.label + ("" if gate.present else ", not present")
    symbol = text(session.describe(gate.offset), Style.SYMBOL)
    return (
        *start,
        address(gate.offset),
        symbol,
        hexadecimal(gate.selector.value),
        text(str(gate.dpl), value=gate.dpl),
        text(str(gate.ist) if gate.ist else "", value=gate.ist),
        text(kind),
        wrong,
    )
