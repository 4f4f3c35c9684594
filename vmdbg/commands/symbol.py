"""symbol, symbol-file, list and directory."""

from __future__ import annotations

from vmdbg.commands.document import Document, Json, Span, Style, Text, address, count, document, joined, table, text
from vmdbg.commands.host_path import host_path
from vmdbg.commands.registry import Arguments, Effect, Group, Parser, command
from vmdbg.commands.session import Session
from vmdbg.commands.stop_report import place_text
from vmdbg.errors import UserError

AROUND = 5
MOST = 100


def declare_symbol(parser: Parser) -> None:
    parser.add_argument(
        "what", metavar="EXPRESSION", help="an address, a name, or the beginning of names followed by *"
    )


@command(
    "symbol",
    Group.LOOK,
    declare_symbol,
    aliases=("info symbol", "info address", "ln", "sym", "info functions", "info line"),
    examples=("symbol rip", "symbol rip --json"),
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
    linear = session.linear(what)
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


def declare_file(parser: Parser) -> None:
    parser.add_argument(
        "file", nargs="?", default="", metavar="FILE", help="ELF, System.map or nm output; none: list them"
    )
    parser.add_argument(
        "--slide", default="0", metavar="EXPRESSION", help="the guest has it so much higher than the file"
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
    """Read symbols and source lines of guest code from a file on this host."""
    sources = session.sources
    if arguments.file:
        path = host_path(arguments.file)
        if arguments.remove:
            if not sources.remove(path):
                raise UserError(f"no symbols of {path} are loaded")
        else:
            sources.add(path, session.integer(arguments.slide))
    rows = [(text(str(file.path)), count(len(file.table)), text(f"{file.slide:#x}")) for file in sources.files]
    return document(table(("file", ">symbols", "slide"), rows)) if rows else document("no symbol files", value=[])


def declare_list(parser: Parser) -> None:
    parser.add_argument(
        "place", nargs="?", default="", metavar="ADDRESS", help="address, symbol or file:line; none: here"
    )
    parser.add_argument("--lines", "-n", type=int, default=2 * AROUND + 1, metavar="NUMBER", help="how many (11)")


@command("list", Group.LOOK, declare_list, aliases=("l", "list-source"), examples=())
def list_(session: Session, arguments: Arguments) -> Document:
    """Show the source around a place."""
    linear = session.linear(arguments.place) if arguments.place else session.debugger.pc
    line = session.sources.line_at(linear)
    if line is None:
        raise UserError(f"no source line is known for {linear:#x}; symbol-file reads a file with debug information")
    shown = source_lines(session, linear, max(1, arguments.lines))
    if not shown:
        raise UserError(f"{line.file} is not found; `directory DIR` tells where sources are")
    return document(text(str(line), Style.HEADING), *shown)


def source_lines(session: Session, linear: int, number: int) -> list[Text]:
    """The source around an address, its line marked; empty if there is none."""
    line = session.sources.line_at(linear)
    content = session.sources.text(line.file) if line is not None else None
    if line is None or content is None:
        return []
    first = max(1, line.line - number // 2)
    shown = []
    for at, words in enumerate(content[first - 1 : first - 1 + number], first):
        current = at == line.line
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
        session.sources.add_directory(host_path(arguments.directory))
    return document(*(text(str(one)) for one in session.sources.directories))
