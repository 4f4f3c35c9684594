"""telescope."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Span, Style, Text, document
from vmdbg.errors import UserError
from vmdbg.session.pointers import chain
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.mode import Width

MOST = 1024


def declare(parser: Parser) -> None:
    parser.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="where; none: the stack pointer")
    parser.add_argument("count", nargs="?", default="", metavar="EXPRESSION", help="words (8)")
    parser.add_argument("--count", "-n", dest="number", default="8", metavar="EXPRESSION", help="words, from the stack")


@command(
    "telescope",
    Group.LOOK,
    declare,
    aliases=("tele", "stack", "dps", "dqs"),
    examples=("telescope", "telescope rsp 4", "stack 4", "stack --json"),
)
def telescope(session: Session, arguments: Arguments) -> Document:
    """Show words of memory, each with what it points to, and that in turn, with symbols, text and code.

    A small decimal number alone is a number of words on the stack.
    """
    alone = not arguments.count and arguments.address.isdecimal() and 0 < int(arguments.address) <= MOST
    where, many = ("", arguments.address) if alone else (arguments.address, arguments.count or arguments.number)
    start = session.linear(where) if where else stack_pointer(session)
    number = session.integer(many)
    if not 0 < number <= MOST:
        raise UserError(f"{number} words cannot be shown: 1 to {MOST}")
    session.debugger.linear().read(Linear(start), 1)
    return document(*stack_lines(session, start, number))


def stack_pointer(session: Session) -> int:
    base = 0 if session.registers.mode.is_long else session.registers.read("ss_base")
    return base + session.registers.read("rsp")


def stack_lines(session: Session, start: int, number: int) -> list[Text]:
    """Words from an address on, as far as memory goes."""
    word = session.registers.mode.width // 8
    data = session.debugger.linear().read_prefix(Linear(start), number * word)
    marks = _marks(session)
    lines = []
    for offset in range(0, len(data) - word + 1, word):
        value = int.from_bytes(data[offset : offset + word], "little")
        mark = marks.get(start + offset, "")
        head = (
            Span(f"{start + offset:#0{2 * word + 2}x}", Style.ADDRESS),
            Span(f" +{offset:04x} {mark:<4}", Style.DIM),
        )
        leads = chain(session, value)
        entry = {"address": f"{start + offset:#x}", "value": f"{value:#x}", "chain": str(leads)}
        lines.append(Text((*head, *leads.spans), entry))
    return lines


def _marks(session: Session) -> dict[int, str]:
    """Addresses that registers point to."""
    mode = session.registers.mode
    base = 0 if mode.is_long else session.registers.read("ss_base")
    marks: dict[int, str] = {}
    for name in ("sp", "bp"):
        shown = {Width.BITS64: f"r{name}", Width.BITS32: f"e{name}", Width.BITS16: name}[mode.width]
        marks.setdefault(base + session.registers.read(shown), shown)
    return marks
