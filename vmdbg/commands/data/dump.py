"""dump core and dump memory."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, count, document, pairs, text
from vmdbg.session import dumping
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare_core(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file; none is ever overwritten")
    parser.add_argument("--kdump", action="store_true", help="compressed as by makedumpfile: for crash, drgn")


@command("dump core", Group.LOOK, declare_core, examples=("dump core here.core",), effect=Effect.FILES)
def dump_core(session: Session, arguments: Arguments) -> Document:
    """Write all memory and registers as an ELF core, which gdb, crash, drgn and volatility3 open.

    It is the guest at this instant, past or present: `gdb vmlinux FILE`, `crash vmlinux FILE`, `drgn -c FILE`.
    """
    path = session.files.place(arguments.file, session.debugger.engine.ram_size)
    done = dumping.dump_core(session, path, compressed=arguments.kdump)
    notes = [f"no VMCOREINFO, which crash and drgn need: {done.why_not}"] if done.why_not else []
    if done.left_out and not arguments.kdump:
        notes.append(f"{done.left_out:,} linear ranges that show the same memory again are left out")
    notes += [f"from {start:#x} on too much is mapped: not all of it is seen there" for start in done.cut]
    rows = pairs([("file", text(str(path))), ("bytes", count(done.size)), ("linear ranges", count(done.ranges))])
    return document(rows, *(text(line, Style.DIM) for line in notes))


def declare_memory(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file; none is ever overwritten")
    parser.add_argument("start", metavar="ADDRESS", help="the first byte; linear, or phys:ADDRESS")
    parser.add_argument("end", metavar="ADDRESS", help="after the last byte; +EXPRESSION for so many bytes")
    parser.add_argument("--physical", "-p", action="store_true", help="both addresses are physical")


@command(
    "dump memory",
    Group.LOOK,
    declare_memory,
    examples=("dump memory stack.bin rsp +64", "dump memory low.bin 0 0x1000 --physical"),
    effect=Effect.FILES,
)
def dump_memory(session: Session, arguments: Arguments) -> Document:
    """Write the bytes of a range of memory to a file. A part that no memory answers is refused by its address."""
    place = session.place(arguments.start, physical=arguments.physical)
    start, physical = place.address, place.is_physical
    if arguments.end.startswith("+"):
        end = start + session.integer(arguments.end[1:])
    else:
        end = session.place(arguments.end, physical=physical).address
    path = session.files.place(arguments.file, max(0, end - start))
    dumping.dump_memory(session, path, start, end, physical=physical)
    return document(f"{path}: {end - start:,} bytes from {'physical ' if physical else ''}{start:#x}")
