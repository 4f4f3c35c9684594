"""query: what happened in the whole history, as `vmdbg query` asks it of a recording."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Sequence
from typing import Any

from vmdbg.commands.points.watch import object_size
from vmdbg.document.document import Column, Document, Json, Style, Text, address, document, joined, table, text
from vmdbg.document.layout import printable
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.machine.snapshot import Position
from vmdbg.queries.queries import Queries
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.numbers import how_many, port
from vmdbg.session.registry import Arguments, Effect, Group, Parser, command, did_you_mean
from vmdbg.session.session import Session
from vmdbg.x86.exceptions import find_vector

SHOWN = 50
MOST_ARGUMENTS = 6
CODE = frozenset({"pc", "function", "caller"})
"""Fields that are shown with their symbols."""


def declare(parser: Parser) -> None:
    parser.add_argument("question", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument(
        "what", nargs="*", metavar="ADDRESS", help="ADDRESS SIZE, FUNCTION ARGUMENTS, VECTOR ..., PORT ..., NUMBER ..."
    )
    parser.add_argument("--physical", "-p", action="store_true", help="the address is physical")
    parser.add_argument("--limit", type=how_many, default=SHOWN, metavar="NUMBER", help=f"rows shown ({SHOWN})")


@command(
    "query",
    Group.TIME,
    declare,
    examples=(
        "query writes rsp 8",
        "query reads phys:0x1000",
        "query accesses rsp 8 --limit 3",
        "query executions rip",
        "query calls deposit 2",
        "query syscalls",
        "query exceptions #PF",
        "query interrupts 0x24",
        "query ports 0x3f8 --limit 5",
        "query cr3 --json",
        "query console",
    ),
)
def query(session: Session, arguments: Arguments) -> Document:
    """Ask what happened from the start of the history to its end: all writes, calls, exceptions, port accesses ...

    writes, reads, accesses ADDRESS SIZE; executions ADDRESS SIZE; calls FUNCTION ARGUMENTS; syscalls NUMBER ...;
    exceptions and interrupts VECTOR ...; ports PORT ...; cr3; console PORT. `goto` takes the positions.
    """
    ask = QUESTIONS.get(arguments.question)
    if ask is None:
        close = did_you_mean(arguments.question, QUESTIONS)
        raise UserError(f"{arguments.question!r} is no question{close}; there are: {', '.join(QUESTIONS)}")
    if arguments.limit < 1:
        raise UserError("--limit takes a number from 1 on")
    workers = None if Effect.HOST in session.allowed else 1
    queries = Queries(session.debugger.timeline, workers=workers, on_progress=session.progress)
    asked = ask(session, arguments)
    with elsewhen(session):
        rows = asked(queries)
    return _document(session, rows, arguments.limit)


Asked = Callable[[Queries], Sequence[Any]]


def _memory(kind: str) -> Callable[[Session, Arguments], Asked]:
    def ask(session: Session, arguments: Arguments) -> Asked:
        words = _between(arguments, 1, 2, "an address, and perhaps how many bytes")
        aim = Aim.CODE if kind == "executions" else Aim.OBJECT
        place = session.place(words[0], physical=arguments.physical, aim=aim)
        given = words[1] if len(words) > 1 else "1" if kind == "executions" else ""
        size = object_size(session, place, given)
        return lambda queries: getattr(queries, kind)(place.address, size, physical=place.is_physical)

    return ask


def _calls(session: Session, arguments: Arguments) -> Asked:
    words = _between(arguments, 1, 2, "a function, and perhaps how many arguments it takes")
    function = session.linear(words[0], aim=Aim.CODE)
    number = session.integer(words[1]) if len(words) > 1 else MOST_ARGUMENTS
    return lambda queries: queries.calls(function, number)


def _deliveries(kind: str) -> Callable[[Session, Arguments], Asked]:
    def ask(session: Session, arguments: Arguments) -> Asked:
        del session
        vectors = [_vector(word) for word in arguments.what]
        return lambda queries: getattr(queries, kind)(vectors or None)

    return ask


def _vector(word: str) -> int:
    found = find_vector(word)
    if found is None:
        raise UserError(f"{word!r} is no vector: give #PF, 14 or 0x20")
    return found


def _system_calls(session: Session, arguments: Arguments) -> Asked:
    numbers = [session.integer(word) for word in arguments.what]
    return lambda queries: queries.system_calls(numbers)


def _ports(session: Session, arguments: Arguments) -> Asked:
    ports = [port(session.integer(word)) for word in arguments.what]
    return lambda queries: queries.port_accesses(ports)


def _cr3(session: Session, arguments: Arguments) -> Asked:
    del session
    _between(arguments, 0, 0, "nothing")
    return lambda queries: queries.cr3_loads()


def _console(session: Session, arguments: Arguments) -> Asked:
    words = _between(arguments, 0, 1, "a port: 0 is COM1, -1 the debug console")
    port = session.integer(words[0]) if words else 0
    return lambda queries: queries.console_lines(port)


QUESTIONS: dict[str, Callable[[Session, Arguments], Asked]] = {
    "writes": _memory("writes"),
    "reads": _memory("reads"),
    "accesses": _memory("accesses"),
    "executions": _memory("executions"),
    "calls": _calls,
    "syscalls": _system_calls,
    "exceptions": _deliveries("exceptions"),
    "interrupts": _deliveries("interrupts"),
    "ports": _ports,
    "cr3": _cr3,
    "console": _console,
}


def _between(arguments: Arguments, least: int, most: int, wanted: str) -> list[str]:
    words: list[str] = arguments.what
    if not least <= len(words) <= most:
        raise UserError(f"query {arguments.question} takes {wanted}")
    return words


def _document(session: Session, rows: Sequence[Any], limit: int) -> Document:
    value: list[Json] = [{name: _json(field) for name, field in _fields(row)} for row in rows]
    if not rows:
        return document(text("it never happened", Style.DIM), value=value)
    columns = [Column(field.name, field.name, field.name == "position") for field in dataclasses.fields(rows[0])]
    cells = [[_cell(session, name, field) for name, field in _fields(row)] for row in rows[:limit]]
    more = len(rows) - len(cells)
    left = [text(f"{more:,} more; --limit shows more, --json all", Style.DIM)] if more else []
    return document(table(columns, cells), *left, value=value)


def _fields(row: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(row, field.name)) for field in dataclasses.fields(row)]


def _json(value: Any) -> Json:
    match value:
        case None | str():
            return value
        case Position():
            return str(value)
        case enum.Enum():
            return value.name.lower()
        case bytes():
            return value.hex()
        case tuple():
            return [_json(item) for item in value]
    return f"{value:#x}"


def _cell(session: Session, name: str, value: Any) -> Text:
    match value:
        case None:
            return text("")
        case str():
            return text(printable(value))
        case Position():
            return text(str(value), Style.DIM)
        case enum.Enum():
            return text(value.name.lower())
        case bytes():
            return text(value.hex(" "), Style.NUMBER)
        case tuple():
            return text(" ".join(f"{item:#x}" for item in value), Style.NUMBER)
    if name in CODE:
        where = session.describe(value)
        return joined((address(value), text(f" <{where}>" if where else "", Style.SYMBOL)))
    return text(str(value) if -10 < value < 10 or name == "number" else f"{value:#x}", Style.NUMBER)
