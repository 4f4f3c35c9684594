"""ptype, symbols: the kernel's types, and a file for gdb."""

from __future__ import annotations

from vmdbg.c.formatting import format_type
from vmdbg.c.types import CType, NoSuchTypeError
from vmdbg.c.values import Value
from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.document.document import Document, Style, count, document, text
from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare_type(parser: Parser) -> None:
    parser.add_argument("type", metavar="TYPE", help="struct file, enum pid_type, u64, or a function's name")


@command(
    "ptype",
    Group.SYSTEM,
    declare_type,
    aliases=("struct", "dt", "whatis"),
    examples=("ptype struct list_head", "ptype vfs_read"),
    rest="type",
)
def ptype(session: Session, arguments: Arguments) -> Document:
    """Show a type with offsets and sizes in bytes, the type of an expression, or a function's prototype.

    Types are looked up in the debug information of the program that runs, then among those of the guest's kernel.
    """
    words = arguments.type.strip()
    found = _of_program(session, words)
    return _shown(found) if found is not None else _of_kernel(session, words)


def _of_program(session: Session, words: str) -> CType | None:
    """By its spelling, with `struct` left out too; of a variable."""
    value = session.frames.find(words)
    if value is not None:
        return value.type_
    try:
        found = session.frames.type(words)
    except NoSuchTypeError:
        found = None
    if found is not None:
        return found
    try:
        variable = session.scope.variable_at_symbol(words)
        meant = session.evaluate(words) if variable is None else variable
    except VmdbgError:
        return None
    return meant.type_ if isinstance(meant, Value) else None


def _of_kernel(session: Session, words: str) -> Document:
    kernel = linux_here(session).kernel
    function = kernel.types.function(words)
    if function is not None:
        return document(text(f"{function};", Style.CODE), value={"function": str(function)})
    if not kernel.types.has(words) and " " not in words:
        words = f"struct {words}"
    return _shown(kernel.type(words))


def _shown(found: CType) -> Document:
    lines = format_type(found).splitlines()
    return document(*(text(line, Style.CODE) for line in lines), value={"type": str(found), "size": found.size})


def declare_symbols(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="the file to write; none is ever overwritten")
    parser.add_argument("--volatility", action="store_true", help="in JSON, for volatility3, in place of an ELF file")


@command(
    "symbols",
    Group.SYSTEM,
    declare_symbols,
    examples=("symbols /tmp/guest.elf",),
    effect=Effect.FILES,
    requires=linux_here,
)
def symbols(session: Session, arguments: Arguments) -> Document:
    """Write the kernel's symbols, types and unwind tables as an ELF file that stock gdb reads.

    In gdb: `symbol-file FILE`; then `break vfs_read`, `ptype struct file` and `backtrace` work without a debug
    package. The addresses are those of this boot. volatility3 looks for DIR/linux/NAME.json.
    """
    from vmdbg.os.linux.volatility import volatility_symbols

    path = session.files.place(arguments.file)
    linux = linux_here(session)
    data = volatility_symbols(linux.kernel) if arguments.volatility else linux.gdb_elf()
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    shown = text(f"{path}: ")
    if not arguments.volatility:
        return document(shown, count(len(data)), text("in gdb: ") + text(f"symbol-file {path}", Style.CODE))
    place = path.resolve().parent
    lies = place.name == "linux"
    where = text("") if lies else text("in a directory DIR/linux: ")
    use = f"vol -s {place.parent if lies else 'DIR'} -f CORE linux.pslist"
    return document(shown, count(len(data)), where + text(use, Style.CODE))
