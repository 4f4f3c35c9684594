"""flags."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Section, Style, Text, document, hexadecimal, joined, section, table, text
from vmdbg.errors import UserError
from vmdbg.session.numbers import fitting
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.fields import Field
from vmdbg.x86.registers import find_register

DEFAULT = ("rflags", "cr0", "cr3", "cr4", "efer")


def declare(parser: Parser) -> None:
    parser.add_argument(
        "register", nargs="?", default="rflags", metavar="REGISTER", help="one that has fields; all of them with `all`"
    )
    parser.add_argument("value", nargs="?", default="", metavar="EXPRESSION", help="decode this value instead")


@command(
    "flags",
    Group.CPU,
    declare,
    aliases=("decode", "info flags", "eflags"),
    examples=("flags", "flags cr4", "flags cr0 0x80000011"),
)
def flags(session: Session, arguments: Arguments) -> Document:
    """Explain a flags, control, debug or model-specific register bit by bit."""
    if arguments.register == "all":
        return Document(tuple(_explained(session, name, "") for name in DEFAULT))
    return document(_explained(session, arguments.register, arguments.value))


def _explained(session: Session, name: str, given: str) -> Section:
    register = find_register(name)
    if register is None:
        raise UserError(f"there is no register {name!r}")
    value = session.registers.read(register.name)
    if given:
        value = fitting(session.integer(given), register.bits, register.name)
    fields = register.decode(value)
    if not fields:
        raise UserError(f"{register.name} has no fields: it is one number, {value:#x}")
    rows = [_row(field) for field in fields]
    title = joined((text(f"{register.name} = ", Style.HEADING), hexadecimal(value)))
    return section(title, table((">bits", "name", ">value", "meaning"), rows, titles=False), key=register.name)


def _row(field: Field) -> tuple[Text, ...]:
    style = Style.CURRENT if field.value else Style.DIM
    shown = text(f"{field.value:x}" if field.width > 1 else str(field.value), style, field.value)
    words = f"{field.meaning}: {field.value_name}" if field.value_name else field.meaning
    return (
        text(field.bits, Style.DIM),
        text(field.name, style),
        shown,
        text(words, Style.PLAIN if field.value else Style.DIM),
    )
