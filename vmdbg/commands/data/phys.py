"""phys and who-maps."""

from __future__ import annotations

from itertools import islice

from vmdbg.commands.cpu.maps import size_words
from vmdbg.commands.declare import command
from vmdbg.debugger.memory import paging_of
from vmdbg.document.document import Document, Style, address, document, table, text
from vmdbg.document.hexdump_format import dump_lines
from vmdbg.errors import UserError
from vmdbg.expressions.values import MAX_READ
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import PAGE_MASK, PAGE_SIZE, Physical
from vmdbg.x86.mappings import who_maps

MOST = 100


def declare_phys(parser: Parser) -> None:
    parser.add_argument("address", metavar="EXPRESSION", help="physical address")
    parser.add_argument("size", nargs="?", default="64", metavar="EXPRESSION", help="bytes (64)")


@command("phys", Group.LOOK, declare_phys, examples=("phys 0x7c00", "phys 0 32", "phys cr3 128 --json"))
def phys(session: Session, arguments: Arguments) -> Document:
    """Dump physical memory. Device registers are not memory and are not touched."""
    start = session.physical(arguments.address)
    size = session.integer(arguments.size)
    if not 0 < size <= MAX_READ:
        raise UserError(f"{size} bytes cannot be dumped at once: 1 to {MAX_READ}")
    data = session.debugger.physical.read(start, size)
    return document(*dump_lines(start, data), value={"address": f"{start:#x}", "bytes": data.hex()})


def declare_who(parser: Parser) -> None:
    parser.add_argument("address", metavar="EXPRESSION", help="physical address")
    parser.add_argument("--cr3", default="", metavar="EXPRESSION", help="another address space")


@command("who-maps", Group.CPU, declare_who, aliases=("p2v", "ptov"), examples=("who-maps 0x100000",))
def who_maps_frame(session: Session, arguments: Arguments) -> Document:
    """List every linear address of an address space that reaches a physical page."""
    physical = session.physical(arguments.address)
    cr3 = session.cr3(arguments.cr3)
    paging = paging_of(session.debugger.engine, cr3)
    frame = Physical(physical & ~PAGE_MASK)
    found = list(islice(who_maps(session.debugger.physical, paging, frame, PAGE_SIZE), MOST))
    if not found:
        return document(text(f"nothing maps the page of physical {physical:#x}", Style.DIM), value=[])
    rows = [
        (
            address(mapping.start + (physical & PAGE_MASK), 16),
            text(str(mapping.permissions)[:4]),
            text(size_words(mapping.page_size), Style.DIM, mapping.page_size),
            text(session.describe(mapping.start + (physical & PAGE_MASK)), Style.SYMBOL),
        )
        for mapping in found
    ]
    return document(table(("linear", "may", ">page", "symbol"), rows))
