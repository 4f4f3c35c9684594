"""msr."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, document, hexadecimal, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.msr import MSRS, Msr, find_msr
from vmdbg.x86.registers import set_flags


def declare(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="MSR", help="by name or number; none: those that are not zero")
    parser.add_argument("--all", action="store_true", help="those that are zero too")


@command(
    "msr",
    Group.CPU,
    declare,
    aliases=("rdmsr", "msrs", "info msr"),
    examples=("msr", "msr lstar", "msr 0x1b efer", "msr --all"),
)
def msr(session: Session, arguments: Arguments) -> Document:
    """Show model-specific registers by name, with their fields and the code that they point to."""
    chosen = [_find(name) for name in arguments.names] if arguments.names else list(MSRS)
    rows = [
        _row(session, one) for one in chosen if arguments.names or arguments.all or session.registers.read(one.name)
    ]
    return document(table((">number", "name", "value", "means", "description"), rows))


def _find(name: str) -> Msr:
    found = find_msr(name)
    if found is None:
        raise UserError(f"there is no MSR {name!r} that is known; msr --all lists them")
    return found


def _row(session: Session, one: Msr) -> tuple[Text, ...]:
    value = session.registers.read(one.name)
    words = set_flags(one.name, value) if one.layout else session.describe(value)
    return (
        hexadecimal(one.index),
        text(one.name, Style.LABEL),
        hexadecimal(value, 16),
        text(words, Style.SYMBOL),
        text(one.description, Style.DIM),
    )
