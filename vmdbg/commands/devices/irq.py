"""irq and interrupts."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.devices.devices import registers_of
from vmdbg.document.document import (
    Block,
    Document,
    Style,
    Text,
    address,
    count,
    document,
    hexadecimal,
    section,
    table,
    text,
)
from vmdbg.engine.exits import Delivery, DeliveryKind
from vmdbg.errors import UserError
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.exceptions import describe_error_code, find_vector, vector_name


@command("irq", Group.DEVICES, aliases=("info irq", "info interrupts"), examples=("irq", "irq --json"))
def irq(session: Session, arguments: Arguments) -> Document:
    """Show the interrupt controllers, INTR and IF as they are, and what the timers will do next."""
    machine, engine = session.debugger.machine, session.debugger.engine
    cpu = engine.cpus[engine.selected]
    enabled = bool(session.registers.read("rflags") & 0x200)
    state = text(
        f"INTR {'high' if cpu.interrupt else 'low'}, IF {int(enabled)},"
        f" NMI {'pending' if cpu.nmi_pending else 'none'}"
        f"{', halted' if cpu.halted else ''}",
        Style.HEADING,
    )
    names = [name for name in ("pic", "lapic", "ioapic") if name in machine.pc.devices]
    controllers = registers_of(session, names).blocks
    return document(state, *controllers, _timers(session))


def _timers(session: Session) -> Block:
    machine = session.debugger.machine
    rows = [
        (text(event.owner, Style.LABEL), text(event.name), count(event.due), text(f"in {event.due - machine.clock:,}"))
        for event in machine.scheduler.events()
    ]
    return section("next events", table(("owner", "event", ">tick", ">ticks away"), rows), key="events")


def declare(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=how_many, default=16, metavar="NUMBER", help="of the last ones (16)")
    parser.add_argument("--vector", default="", metavar="VECTOR", help="only this one")


@command(
    "deliveries",
    Group.DEVICES,
    declare,
    aliases=("interrupts", "exceptions", "track_int"),
    examples=("deliveries", "deliveries 4"),
)
def deliveries(session: Session, arguments: Arguments) -> Document:
    """List the last interrupts and exceptions that the CPU delivered: when, which, where it struck."""
    found = session.debugger.engine.deliveries()
    if arguments.vector:
        vector = find_vector(arguments.vector)
        if vector is None:
            raise UserError(f"{arguments.vector!r} is no vector: give #PF, 14 or 0x20")
        found = tuple(one for one in found if one.vector == vector)
    rows = [delivery_row(session, one) for one in found[-arguments.number :]]
    return document(table((">tick", "kind", "vector", "at", "symbol", "handler", "error code"), rows))


def delivery_row(session: Session, one: Delivery) -> tuple[Text, ...]:
    is_exception = one.kind is DeliveryKind.EXCEPTION
    error = describe_error_code(one.vector, one.error_code) if is_exception else ""
    if is_exception and one.vector == 14:
        error += f" at {one.cr2:#x}"
    name = vector_name(one.vector) if is_exception else f"{one.vector:#04x}"
    return (
        count(one.tick),
        text(one.kind.name.lower()),
        text(name, Style.LABEL, one.vector),
        address(one.linear_pc),
        text(session.describe(one.linear_pc), Style.SYMBOL),
        hexadecimal(one.handler) if one.handler else text("none", Style.BAD),
        text(error),
    )
