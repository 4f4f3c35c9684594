"""symbol, symbol-file, list and directory."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.commands.linux.programs import load_programs
from vmdbg.document.document import Document, Json, Span, Style, Text, address, count, document, joined, table, text
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.session.host_path import host_path
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.stop_report import place_text
from vmdbg.session.symbol_file import SymbolFile
from vmdbg.symbols.lines import LineRange

AROUND = 5
MOST = 100


def declare_symbol(parser: Parser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        default="linear_pc",
        metavar="EXPRESSION",
        help="an address (none: where the CPU is), a name, or the beginning of names followed by *",
    )


@command(
    "symbol",
    Group.LOOK,
    declare_symbol,
    aliases=("info symbol", "info address", "ln", "sym", "info line"),
    examples=("symbol", "symbol rip", "symbol rip --json"),
    rest="what",
)
def symbol(session: Session, arguments: Arguments) -> Document:
    """Show the symbol and source line of an address, the address of a symbol, or symbols that begin alike."""
    what = arguments.what.strip()
    if what.endswith("*"):
        names = session.symbols.matching(what[:-1], MOST)
        if not names:
            raise UserError(f"no symbol begins with {what[:-1]!r}")
        rows = [(address(session.symbols.address_of(name), 16), text(name, Style.SYMBOL)) for name in names]
        return document(table(("address", "symbol"), rows, titles=False))
    linear = session.linear(what, aim=Aim.CODE)
    found = session.symbols.nearest(linear)
    if found is None:
        return document(text(f"no symbol has {linear:#x}", Style.DIM), value={})
    size = f", {found.symbol.size} bytes" if found.symbol.size else ""
    line = session.sources.line_at(linear)
    value: dict[str, Json] = {
        "address": f"{linear:#x}",
        "symbol": found.symbol.name,
        "offset": found.offset,
        "line": str(line or ""),
    }
    return document(joined((place_text(session, linear), text(size, Style.DIM))), value=value)


def declare_functions(parser: Parser) -> None:
    parser.add_argument("text", nargs="?", default="", metavar="SYMBOL", help="part of the name; none: all")
    parser.add_argument("--limit", type=how_many, default=MOST, metavar="NUMBER", help=f"how many at most ({MOST})")


@command(
    "functions",
    Group.LOOK,
    declare_functions,
    aliases=("info functions", "info variables", "klookup", "ksymaddr"),
    examples=("functions dep", "functions dep --json"),
)
def functions(session: Session, arguments: Arguments) -> Document:
    """List symbols whose names contain a text, in the order of their addresses."""
    names = session.symbols.containing(arguments.text)
    if not names:
        raise UserError(f"no symbol contains {arguments.text!r}")
    found = sorted((session.symbols.address_of(name), name) for name in names)
    rows = [(address(where, 16), text(name, Style.SYMBOL)) for where, name in found[: max(1, arguments.limit)]]
    left = len(found) - len(rows)
    more = [text(f"{left:,} more; --limit shows more", Style.DIM)] if left else []
    return document(table(("address", "symbol"), rows, titles=False), *more)


def declare_file(parser: Parser) -> None:
    parser.add_argument(
        "file", nargs="?", default="", metavar="FILE", help="ELF, System.map or nm output; none: list them"
    )
    parser.add_argument(
        "--slide",
        default="",
        metavar="EXPRESSION",
        help="the guest has it so much higher than the file; of a kernel and of a process's programs it is known",
    )
    parser.add_argument(
        "--process", default="", metavar="PROCESS", help="a program or library of this process, or a directory of them"
    )
    parser.add_argument("--remove", action="store_true", help="forget it")


@command(
    "symbol-file",
    Group.LOOK,
    declare_file,
    aliases=("add-symbol-file", "file", "info files", "load-symbols"),
    examples=("symbol-file",),
    effect=Effect.HOST,
)
def symbol_file(session: Session, arguments: Arguments) -> Document:
    """Read symbols and source lines of guest code from a file on this host.

    vmlinux and System.map are moved by what KASLR added. A kernel module (`.ko`, or its debug file) has its sections
    where the guest's kernel has loaded them, as soon as it has. A position-independent program or library is nowhere
    until a process of a known system has it; --slide says where another guest has put it.

    With --process, the file must be what the process runs,
    by build-id or by name, and it names addresses while that process runs; in a directory, `.build-id/` and the
    guest's own paths are tried.
    """
    sources = session.sources
    if not arguments.file and (arguments.slide or arguments.process or arguments.remove):
        raise UserError("symbol-file: a file is missing, to which the options are to apply")
    if arguments.file:
        path = host_path(arguments.file)
        if arguments.remove:
            if not sources.remove(path):
                raise UserError(f"no symbols of {path} are loaded")
        elif arguments.process:
            load_programs(session, path, session.system.named(arguments.process).process)
        else:
            sources.add(path, session.integer(arguments.slide) if arguments.slide else None)
    rows = [
        (
            text(str(file.path)),
            count(len(file.table)),
            text(_where(file)),
            text("" if file.process is None else str(file.process), value=file.process),
        )
        for file in sources.files
    ]
    if not rows:
        return document("no symbol files", value=[])
    return document(table(("file", ">symbols", "slide", ">process"), rows))


def _where(file: SymbolFile) -> str:
    """What the guest adds to the file's addresses; of a module, where its code begins."""
    if file.where is None:
        return f"{file.slide:#x}"
    blocks = file.where().blocks or ()
    return f"{blocks[0].guest:#x}" if blocks else "not loaded"


class Listed:
    """The file and line after the last that `list` showed, until the guest moves."""

    def __init__(self, session: Session) -> None:
        del session
        self.stops = -1
        self.file = ""
        self.next = 0


def declare_list(parser: Parser) -> None:
    parser.add_argument(
        "place",
        nargs="?",
        default="",
        metavar="ADDRESS",
        help="line, first,last, file:line, symbol or address; none: here, then on from there",
    )
    parser.add_argument("--lines", "-n", type=how_many, default=2 * AROUND + 1, metavar="NUMBER", help="how many (11)")


@command("list", Group.LOOK, declare_list, aliases=("l", "list-source"), examples=(), repeats=True)
def list_(session: Session, arguments: Arguments) -> Document:
    """Show the source around a place, or lines of the file that is shown; again, the lines after them."""
    listed = session.part(Listed)
    number = max(1, arguments.lines)
    first, _, last = arguments.place.partition(",")
    if first.strip().isdecimal() and (not last or last.strip().isdecimal()):
        end = int(last) if last else int(first) + number // 2
        start = int(first) if last else max(1, int(first) - number // 2)
        return _lines(session, listed, listed.file or _here(session).file, start, max(1, end - start + 1))
    if not arguments.place and listed.stops == session.moments.stops:
        return _lines(session, listed, listed.file, listed.next, number)
    line = _here(session, session.linear(arguments.place, aim=Aim.CODE) if arguments.place else None)
    return _lines(session, listed, line.file, max(1, line.line - number // 2), number, line.line)


def _here(session: Session, linear: int | None = None) -> LineRange:
    """The source line of an address, of the CPU without one. Raises UserError."""
    where = session.debugger.pc if linear is None else linear
    line = session.sources.line_at(where)
    if line is None:
        raise UserError(f"no source line is known for {where:#x}; symbol-file reads a file with debug information")
    return line


def _lines(session: Session, listed: Listed, file: str, first: int, number: int, marked: int = 0) -> Document:
    content = session.sources.text(file)
    if content is None:
        if Effect.HOST not in session.allowed:
            raise UserError(f"{file} cannot be shown here: it is a file of the host")
        raise UserError(f"{file} is not found; `directory DIR` tells where sources are")
    if first > len(content):
        raise UserError(f"{file} has {len(content)} lines")
    listed.stops, listed.file, listed.next = session.moments.stops, file, first + number
    return document(text(f"{file}:{marked or first}", Style.HEADING), *_numbered(content, first, number, marked))


def source_lines(session: Session, linear: int, number: int) -> list[Text]:
    """The source around an address, its line marked; empty if there is none."""
    line = session.sources.line_at(linear)
    return lines_around(session, line.file, line.line, number) if line is not None else []


def lines_around(session: Session, file: str, line: int, number: int) -> list[Text]:
    """The source around a line, which is marked; empty if there is none."""
    content = session.sources.text(file) if file and line else None
    if content is None:
        return []
    return _numbered(content, max(1, line - number // 2), number, line)


def _numbered(content: list[str], first: int, number: int, marked: int) -> list[Text]:
    shown = []
    for at, words in enumerate(content[first - 1 : first - 1 + number], first):
        current = at == marked
        mark = Span("=> " if current else "   ", Style.CURRENT)
        shown.append(
            Text(
                (
                    mark,
                    Span(f"{at:5} ", Style.DIM),
                    Span(words.expandtabs(4), Style.SOURCE),
                )
            )
        )
    return shown


def declare_directory(parser: Parser) -> None:
    parser.add_argument(
        "directory", nargs="?", default="", metavar="FILE", help="another place to look; none: list them"
    )


@command(
    "directory",
    Group.LOOK,
    declare_directory,
    aliases=("dir", "substitute-path"),
    examples=("directory",),
    effect=Effect.HOST,
)
def directory(session: Session, arguments: Arguments) -> Document:
    """Say where sources are looked for."""
    if arguments.directory:
        session.sources.texts.add_directory(host_path(arguments.directory))
    return document(*(text(str(one)) for one in session.sources.texts.directories))
