"""hexdump."""

from __future__ import annotations

from vmdbg.commands.data.examine import read_prefix_at
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.document.hexdump_format import dump_lines
from vmdbg.errors import UserError
from vmdbg.expressions.values import MAX_READ
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="where; phys:... for physical memory")
    parser.add_argument("size", nargs="?", default="128", metavar="EXPRESSION", help="bytes (128)")


@command(
    "hexdump",
    Group.LOOK,
    declare,
    aliases=("hd", "db"),
    examples=("hexdump rsp", "hexdump rip 32", "hexdump phys:0 64"),
)
def hexdump(session: Session, arguments: Arguments) -> Document:
    """Dump memory in hexadecimal and characters."""
    place = session.place(arguments.address)
    size = session.integer(arguments.size)
    if not 0 < size <= MAX_READ:
        raise UserError(f"{size} bytes cannot be dumped at once: 1 to {MAX_READ}")
    data = read_prefix_at(session, place, size)
    return document(*dump_lines(place.address, data), value={"address": f"{place.address:#x}", "bytes": data.hex()})
