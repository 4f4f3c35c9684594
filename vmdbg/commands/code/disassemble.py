"""disassemble."""

from __future__ import annotations

from itertools import takewhile

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Span, Style, Text, document
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.session.code_lines import CodeLine, code_lines, lines_before
from vmdbg.session.numbers import natural
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.mode import Width

DEFAULT = 10
MOST = 4096


def declare(parser: Parser) -> None:
    parser.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="where; none: at the pc")
    parser.add_argument(
        "count", nargs="?", default="", metavar="EXPRESSION", help="instructions; none: to the function's end, or 10"
    )
    parser.add_argument("--before", type=natural, default=0, metavar="NUMBER", help="so many instructions before too")
    parser.add_argument("--bytes", "-r", action="store_true", help="with the bytes of each")
    parser.add_argument("--width", type=int, choices=(16, 32, 64), metavar="BITS", help="as 16, 32 or 64-bit code")
    parser.add_argument("--end", default="", metavar="ADDRESS", help="up to there instead of a number")
    parser.add_argument("--function", "-f", action="store_true", help="the whole function around the address")


@command(
    "disassemble",
    Group.LOOK,
    declare,
    aliases=("u", "disas", "nearpc", "uf"),
    examples=(
        "disassemble",
        "u rip 5",
        "u rip 3 --bytes",
        "u cs:rip --width 32",
        "u rip --before 2",
        "u rip --end rip+12",
    ),
)
def disassemble(session: Session, arguments: Arguments) -> Document:
    """Disassemble at the width that the CPU is in, with symbols; the current instruction is marked."""
    start = session.linear(arguments.address, aim=Aim.CODE) if arguments.address else session.debugger.pc
    number = session.integer(arguments.count) if arguments.count else 0
    if not 0 <= number <= MOST or not 0 <= arguments.before <= 64:
        raise UserError(f"that many instructions cannot be shown at once (at most {MOST})")
    width = Width(arguments.width) if arguments.width else None
    lines: list[CodeLine] = []
    if arguments.end:
        stop = session.linear(arguments.end, aim=Aim.CODE)
        if stop <= start:
            raise UserError(f"--end {stop:#x} is not after {start:#x}")
        every = code_lines(session, start, MOST, width=width, show_bytes=arguments.bytes)
        return _document(session, list(takewhile(lambda line: line.instruction.address < stop, every)))
    found = session.symbols.nearest(start)
    if (
        found is not None
        and found.symbol.size
        and not number
        and (arguments.function or not arguments.address or not found.offset)
    ):
        first = found.symbol.address if arguments.function or not arguments.address or not found.offset else start
        end = found.symbol.address + found.symbol.size
        every = code_lines(session, first, MOST, width=width, show_bytes=arguments.bytes)
        lines += takewhile(lambda line: line.instruction.address < end, every)
    else:
        lines += lines_before(session, start, arguments.before) if arguments.before else []
        lines += code_lines(session, start, number or DEFAULT, width=width, show_bytes=arguments.bytes)
    return _document(session, lines)


def _document(session: Session, lines: list[CodeLine]) -> Document:
    return document(*(_marked(session, line) for line in lines))


def _marked(session: Session, line: CodeLine) -> Text:
    current = line.instruction.address == session.debugger.pc
    mark = Span("=> " if current else "   ", Style.CURRENT)
    return Text((mark, *line.text.spans), line.text.value)
