"""slab: the slab allocator's caches, and the object that an address is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.document.document import Document, Style, Text, address, count, document, joined, pairs, table, text
from vmdbg.errors import UserError
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel
    from vmdbg.queries.rows import SlabRow


def declare(parser: Parser) -> None:
    parser.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="of something in an object")


@command(
    "slab",
    Group.SYSTEM,
    declare,
    aliases=("slabinfo", "kmem"),
    examples=("slab", "slab task(1)"),
    requires=linux_here,
)
def slab(session: Session, arguments: Arguments) -> Document:
    """List the kernel's slab caches; or tell which object of which cache an address is in, and who allocated it.

    Who allocated and freed it is looked for in the whole history up to now. `query object ADDRESS` lists all objects
    that ever were there.
    """
    linux = linux_here(session)
    if arguments.address:
        return _object(session, linux.kernel, session.linear(arguments.address))
    rows = [
        (text(one.name, Style.LABEL), count(one.object_size), count(one.active), count(one.total), count(one.slabs))
        for one in linux.slab_caches()
    ]
    return document(table(("cache", ">size", ">active", ">total", ">slabs"), rows))


def _object(session: Session, kernel: Kernel, place: int) -> Document:
    from vmdbg.os.linux.slab_locator import slab_locator
    from vmdbg.queries.linux.slab import ALLOCATED  # a list of caches need not wait for these
    from vmdbg.queries.queries import Queries
    from vmdbg.session.known_linux import linux_of

    def read(where: int, size: int) -> int | None:
        try:
            return int.from_bytes(kernel.memory.read(where, size), "little")
        except UnmappedLinearError:
            return None

    found = slab_locator(kernel).find(read, place)
    if found is None:
        raise UserError(f"{place:#x} is in no object of the slab allocator")
    now = session.debugger.position
    workers = None if Effect.HOST in session.allowed else 1
    queries = Queries(
        session.debugger.timeline, workers=workers, on_progress=session.progress, linux=lambda: linux_of(session)
    )
    with elsewhen(session):
        rows = [row for row in queries.object_history(place) if row.position < now]
    allocated = next((row for row in reversed(rows) if row.what == ALLOCATED), None)
    freed = rows[-1] if rows and rows[-1].what != ALLOCATED else None
    unknown = text("before this history began, if ever", Style.DIM)
    lines = [
        ("cache", text(found.cache.name, Style.LABEL)),
        ("object", joined((address(found.start), text(f"+{place - found.start:#x} of {found.cache.object_size:#x}")))),
        ("state", text("free" if freed is not None else "in use" if allocated is not None else "not known")),
        ("allocated", _event(session, allocated) if allocated is not None else unknown),
    ]
    if freed is not None:
        lines.append(("freed", _event(session, freed)))
    return document(pairs(lines))


def _event(session: Session, row: SlabRow) -> Text:
    who = f"{row.task}[{row.pid}]"
    return text(f"at {row.position} by {who} in {session.describe(row.caller) or hex(row.caller)}")
