"""maps."""

from __future__ import annotations

from itertools import islice

from vmdbg.commands.declare import command
from vmdbg.debugger.memory import paging_of
from vmdbg.document.document import Document, Style, Text, address, document, table, text
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.mappings import Mapping, mappings, regions
from vmdbg.x86.page_walk import Permissions

DEFAULT_ROWS = 200


def declare(parser: Parser) -> None:
    parser.add_argument(
        "start", nargs="?", default="", metavar="ADDRESS", help="from here; alone: the range that has it"
    )
    parser.add_argument("end", nargs="?", default="", metavar="ADDRESS", help="up to here")
    parser.add_argument(
        "--physical", "-p", action="store_true", help="physically contiguous pieces, with where they are"
    )
    parser.add_argument("--process", default="", metavar="PROCESS", help="a Linux process's areas, as `vmas` shows")
    parser.add_argument("--cr3", default="", metavar="EXPRESSION", help="another address space")
    parser.add_argument(
        "--limit",
        "-n",
        type=how_many,
        default=DEFAULT_ROWS,
        metavar="NUMBER",
        help=f"at most so many rows ({DEFAULT_ROWS})",
    )


@command(
    "maps",
    Group.CPU,
    declare,
    aliases=("vmmap", "info mem", "info tlb", "address-space"),
    examples=("maps", "maps rip", "maps --physical", "maps 0 0x1000000"),
)
def maps(session: Session, arguments: Arguments) -> Document:
    """Show what an address space maps, merged by what may be done: u user, r read, w write, x execute.

    User pages of a protection key other than 0 say which, while keys are in use.
    """
    if arguments.process:
        return session.run(f"vmas {arguments.process}")
    cr3 = session.cr3(arguments.cr3)
    paging = paging_of(session.debugger.engine, cr3)
    start = session.linear(arguments.start) if arguments.start else 0
    end = session.linear(arguments.end) if arguments.end else 1 << 64
    make = mappings if arguments.physical else regions
    if arguments.start and not arguments.end:
        found = (m for m in make(session.debugger.physical, paging) if m.start <= start < m.end)
        chosen = list(islice(found, 1))
        if not chosen:
            return document(text(f"{start:#x} is not mapped", Style.BAD), value=[])
    else:
        chosen = list(islice(make(session.debugger.physical, paging, start, end), arguments.limit + 1))
    rows = [_row(session, mapping) for mapping in chosen[: arguments.limit]]
    note = (
        [text(f"more than {arguments.limit} ranges: --limit shows more", Style.DIM)]
        if len(chosen) > arguments.limit
        else []
    )
    columns = ["start", "end", ">size", "may"]
    if arguments.physical:
        columns += ["physical", ">page"]
    return document(table([*columns, "contains"], (_cut(row, arguments.physical) for row in rows)), *note)


def _cut(row: tuple[Text, ...], physical: bool) -> tuple[Text, ...]:
    return row if physical else (*row[:4], row[6])


def _row(session: Session, mapping: Mapping) -> tuple[Text, ...]:
    permissions = mapping.permissions
    style = (
        Style.BAD
        if permissions.writable and permissions.executable
        else Style.CODE
        if permissions.executable
        else Style.PLAIN
    )
    return (
        address(mapping.start, 16),
        address(mapping.end, 16),
        text(size_words(mapping.size), Style.NUMBER, mapping.size),
        text(_allowed(permissions), style),
        address(mapping.physical) if mapping.physical is not None else text(""),
        text(size_words(mapping.page_size), Style.DIM, mapping.page_size),
        text(_contents(session, mapping), Style.SYMBOL),
    )


def _allowed(permissions: Permissions) -> str:
    key = permissions.protection_key
    return str(permissions)[:4] + (f" key {key}" if key and permissions.user else "")


def _contents(session: Session, mapping: Mapping) -> str:
    marks = [name for name in ("rip", "rsp") if mapping.start <= _linear_of(session, name) < mapping.end]
    return " ".join(marks)


def _linear_of(session: Session, name: str) -> int:
    if name == "rip":
        return session.debugger.pc
    base = 0 if session.registers.mode.is_long else session.registers.read("ss_base")
    return base + session.registers.read("rsp")


def size_words(size: int) -> str:
    """4K, 2M, 1G, or bytes."""
    for shift, letter in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if size >= 1 << shift and not size & (1 << shift) - 1:
            return f"{size >> shift}{letter}"
    return str(size)
