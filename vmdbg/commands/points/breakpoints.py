"""break, tbreak, hbreak and the list of points with what can be done to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmdbg.commands.declare import command
from vmdbg.commands.points.conditions import (
    declare_conditions,
    expression_test,
    make_condition,
    must_be_positive,
    unknown_words,
    untyped_notes,
)
from vmdbg.debugger.points import Breakpoint, Point, Space, Watchpoint
from vmdbg.document.document import Document, Json, Style, Text, address, count, document, table, text
from vmdbg.engine.exits import Access
from vmdbg.engine.stops import Catches
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim
from vmdbg.session.oops_watch import is_oops_point
from vmdbg.session.pending import PendingPoints, is_loading_point
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.syscall_watch import is_syscall_point

NAME = re.compile(r"[A-Za-z_][\w.]*(?::\w+)?|[\w./+-]+\.\w+:\d+")
"""A symbol, `module:symbol` or `file:line`: what may come to be there."""


MOST_COPIES = 8
"""Places of a line that are listed."""


def declare(parser: Parser) -> None:
    parser.add_argument(
        "place",
        nargs="?",
        default="",
        metavar="ADDRESS",
        help="address, symbol, segment:offset, phys:address or file:line; none: here",
    )
    parser.add_argument("--physical", "-p", action="store_true", help="the address is physical")
    parser.add_argument("--temporary", "-t", action="store_true", help="gone once it has stopped")
    parser.add_argument("--pending", action="store_true", help="wait for the name, also before the kernel is known")
    declare_conditions(parser)


@command(
    "break",
    Group.POINTS,
    declare,
    aliases=("b", "bp", "brk", "hbreak", "hb", "vb", "lb"),
    examples=(
        "break rip",
        "break rip if rax == 5",
        "break phys:0x7c00",
        "b rip --ring 3 --ignore 2",
        'b rip --commands "registers rax"',
    ),
    condition=True,
)
def break_(session: Session, arguments: Arguments) -> Document:
    """Stop before the instruction at a place. The guest's memory is not changed and any number is possible.

    A place need not be mapped yet. A linear address counts in every address space; --cr3 picks one. A name that nothing
    in a Linux guest has yet is waited for: the breakpoint is set when a module that has it is loaded, or a program
    whose symbol file has it is started, before that runs.
    """
    try:
        place = session.code_place(arguments.place or "linear_pc", physical=arguments.physical)
    except UserError as error:
        return _pending(session, arguments, error)
    condition, words = make_condition(session, arguments)
    point = session.debugger.points.add_breakpoint(
        place.address,
        space=place.space,
        owner=session.owner,
        condition=condition,
        text=words,
        temporary=arguments.temporary,
    )
    return added(session, point, arguments)


def _pending(session: Session, arguments: Arguments, error: UserError) -> Document:
    """A breakpoint that waits for its place, where it may come: raises `error` where it may not."""
    place = arguments.place.strip()
    may_come = NAME.fullmatch(place) and (arguments.pending or session.system.find() is not None)
    if arguments.physical or not may_come:
        hint = "; with --pending it is waited for" if NAME.fullmatch(place) and not arguments.physical else ""
        raise UserError(f"{error}{hint}") from error
    condition, words = make_condition(session, arguments)
    waits: PendingPoints = session.part(PendingPoints)
    point = waits.add(place, condition, words, temporary=arguments.temporary)
    return added(session, point, arguments)


@command("tbreak", Group.POINTS, declare, aliases=("tb", "thbreak"), examples=("tbreak rip",), condition=True)
def tbreak(session: Session, arguments: Arguments) -> Document:
    """Stop once before the instruction at a place."""
    arguments.temporary = True
    return break_(session, arguments)


def added(session: Session, point: Point, arguments: Arguments) -> Document:
    """What a command that made a point answers."""
    point.ignore = must_be_positive(arguments.ignore, "--ignore")
    point.cpu = arguments.of_cpu
    for line in arguments.commands:
        session.check(line)
    if arguments.commands:
        session.execution.on_point[point.number] = tuple(arguments.commands)
    unknown = getattr(arguments, "unknown", ())
    notes = unknown_words(name for name in unknown if not session.frames.has_variable(point.address, name))
    valued = getattr(arguments, "valued", ())
    notes += untyped_notes(session, (one for one in valued if not session.frames.has_variable(point.address, one)))
    value: Json = {"number": point.number, "address": None if is_pending(point) else f"{point.address:#x}"}
    return document(_line(session, point), *notes, *_elsewhere(session, point, arguments), value=value)


def _elsewhere(session: Session, point: Point, arguments: Arguments) -> list[Text]:
    """That a line, which was asked for, has code in other places too."""
    line = session.line_named(getattr(arguments, "place", "")) if point.space is Space.LINEAR else None
    others = [one for one in session.sources.copies_of_line(line) if one != point.address] if line is not None else []
    if not others:
        return []
    shown = ", ".join(f"{one:#x}" for one in others[:MOST_COPIES]) + (", ..." if len(others) > MOST_COPIES else "")
    words = f"the line has code in {len(others)} more {'place' if len(others) == 1 else 'places'}, inlined or copied: "
    return [text(f"{words}{shown}", Style.DIM)]


def is_pending(point: Point) -> bool:
    return isinstance(point, Breakpoint) and point.is_pending


def _line(session: Session, point: Point) -> Text:
    words = f" {condition_words(point)}" if condition_words(point) else ""
    if isinstance(point, Breakpoint) and point.is_pending:
        return text(f"{kind_words(point)} {point.number} is pending: nothing is called {point.waits_for!r} yet{words}")
    kind, where = kind_words(point), session.describe(point.address) if point.space is Space.LINEAR else ""
    tail = f" <{where}>" if where else ""
    return text(f"{kind} {point.number} at {point.address:#x}{tail}{words}")


def condition_words(point: Point) -> str:
    """The CPU that it is for, and what else must hold."""
    return ", ".join(filter(None, ("" if point.cpu is None else f"cpu {point.cpu}", point.text)))


def kind_words(point: Point) -> str:
    physical = "physical " if point.space is Space.PHYSICAL else ""
    if isinstance(point, Watchpoint):
        access = {frozenset({Access.READ}): "read ", frozenset(Access): "access "}.get(point.accesses, "")
        return f"{physical}{access}watchpoint"
    if isinstance(point, Breakpoint) and point.action is not None:
        return f"{physical}logpoint"
    return f"{physical}{'temporary ' if point.temporary else ''}breakpoint"


def is_internal(point: Point) -> bool:
    """Whether it is nobody's but ours."""
    return point.owner == "step" or is_oops_point(point) or is_loading_point(point) or is_syscall_point(point)


def all_points(session: Session) -> list[Point]:
    points = session.debugger.points
    found: list[Point] = [*points.breakpoints.values(), *points.watchpoints.values()]
    shown = (point for point in found if not is_internal(point))
    return sorted(shown, key=lambda point: point.number)


@command(
    "points",
    Group.POINTS,
    aliases=("info breakpoints", "info watchpoints", "bl", "breakpoints"),
    examples=("points", "info breakpoints", "points --json"),
)
def points_(session: Session, arguments: Arguments) -> Document:
    """List breakpoints, watchpoints and logpoints of every front end, with their hits, and what is caught."""
    rows = [_row(session, point) for point in all_points(session)]
    listed = table((">number", "kind", "on", "address", ">size", ">hits", "owner", "condition", "where"), rows)
    caught = () if session.debugger.points.catches == Catches() else session.run("catch").blocks
    if not rows and not caught:
        return document(text("no breakpoints and no watchpoints", Style.DIM), value=[])
    return document(*([listed] if rows else []), *caught)


def _row(session: Session, point: Point) -> tuple[Text, ...]:
    style = Style.PLAIN if point.enabled else Style.DIM
    lines = session.execution.on_point.get(point.number, ())
    words = condition_words(point) + "".join(f"; {line}" for line in lines)
    hits = point.hits.up_to(session.debugger.position)
    if point.ignore > len(point.passed):
        words += f" (ignoring {point.ignore - len(point.passed)} more)"
    return (
        count(point.number),
        text(kind_words(point), style),
        text("yes" if point.enabled else "no", style, point.enabled),
        text("pending", value=None) if is_pending(point) else address(point.address),
        text(str(point.size), value=point.size) if isinstance(point, Watchpoint) else text(""),
        count(hits),
        text(point.owner or "", Style.DIM),
        text(words),
        text(_named(session, point), Style.SYMBOL),
    )


def _named(session: Session, point: Point) -> str:
    if isinstance(point, Breakpoint) and point.waits_for:
        return point.waits_for
    return session.describe(point.address) if point.space is Space.LINEAR else ""


def declare_numbers(parser: Parser) -> None:
    parser.add_argument("numbers", nargs="*", metavar="POINT", help="numbers, ranges such as 2-5, or places; none: all")


def chosen(session: Session, words: list[str]) -> list[Point]:
    """The points that numbers, ranges and places name; all without any. Raises UserError."""
    if not words or words in (["all"], ["*"]):
        return [point for point in all_points(session) if point.owner == session.owner or words]
    found = []
    for word in words:
        if word.replace("-", "").isdecimal():
            found += [session.debugger.points.find(number) for number in _numbers(word)]
        else:
            found += _at(session, word)
    return found


def _at(session: Session, words: str) -> list[Point]:
    """Those at a place. Raises UserError if there is none."""
    try:
        place = session.place(words, aim=Aim.CODE)
    except UserError as error:
        raise UserError(f"{words!r} is no number of a breakpoint, no range of them and no place: {error}") from error
    found = [point for point in all_points(session) if (point.space, point.address) == (place.space, place.address)]
    if not found:
        raise UserError(f"there is no breakpoint at {place.address:#x}")
    return found


def _numbers(word: str) -> Iterator[int]:
    low, _, high = word.partition("-")
    if not low.isdigit() or (high and not high.isdigit()) or (high and not int(low) <= int(high) < int(low) + 10_000):
        raise UserError(f"{word!r} is no number of a breakpoint and no range of them")
    yield from range(int(low), int(high or low) + 1)


@command(
    "delete",
    Group.POINTS,
    declare_numbers,
    aliases=("d", "del", "bc", "clear", "delete breakpoints"),
    examples=("delete", "delete all"),
)
def delete(session: Session, arguments: Arguments) -> Document:
    """Delete breakpoints, watchpoints and logpoints: those named, all of this prompt, or with `all` everybody's."""
    found = chosen(session, arguments.numbers)
    for point in found:
        session.debugger.points.remove(point)
        session.execution.on_point.pop(point.number, None)
    return document(f"{len(found)} deleted", value={"deleted": [point.number for point in found]})


@command("enable", Group.POINTS, declare_numbers, aliases=("be",), examples=("enable",))
def enable(session: Session, arguments: Arguments) -> Document:
    """Let breakpoints and watchpoints stop again."""
    return _switch(session, arguments, on=True)


@command("disable", Group.POINTS, declare_numbers, aliases=("bd", "dis"), examples=("disable",))
def disable(session: Session, arguments: Arguments) -> Document:
    """Keep breakpoints and watchpoints, but do not stop for them."""
    return _switch(session, arguments, on=False)


def _switch(session: Session, arguments: Arguments, *, on: bool) -> Document:
    found = chosen(session, arguments.numbers)
    for point in found:
        session.debugger.points.enable(point, on)
    return document(f"{len(found)} {'enabled' if on else 'disabled'}")


def declare_ignore(parser: Parser) -> None:
    parser.add_argument("number", type=int, metavar="POINT", help="which")
    parser.add_argument("times", metavar="EXPRESSION", help="how many hits to pass")


@command("ignore", Group.POINTS, declare_ignore, examples=())
def ignore(session: Session, arguments: Arguments) -> Document:
    """Pass the next hits of a point without stopping."""
    point = session.debugger.points.find(arguments.number)
    times = must_be_positive(session.integer(arguments.times), "the number of hits")
    point.ignore_next(times)
    return document(f"{kind_words(point)} {point.number} passes the next {times} hits")


def declare_condition(parser: Parser) -> None:
    parser.add_argument("number", type=int, metavar="POINT", help="which")
    parser.add_argument("expression", nargs="*", default=[], metavar="EXPRESSION", help="when to stop; none: always")


@command("condition", Group.POINTS, declare_condition, aliases=("cond",), examples=())
def condition(session: Session, arguments: Arguments) -> Document:
    """Give a point another condition, or none."""
    point = session.debugger.points.find(arguments.number)
    words = " ".join(arguments.expression)
    if not words:
        point.condition, point.text = None, ""
        return document(f"{kind_words(point)} {point.number} stops always")
    expression = session.compile(words)
    test = expression_test(session, expression)
    point.condition, point.text = (lambda _: test()), f"if {words}"
    notes = unknown_words(expression.unknown) + untyped_notes(session, expression.valued)
    return document(f"{kind_words(point)} {point.number} stops if {words}", *notes)


def declare_commands(parser: Parser) -> None:
    parser.add_argument("number", type=int, metavar="POINT", help="which")
    parser.add_argument(
        "lines", nargs="*", default=[], metavar="LINE", help="commands, each in quotes; none: no longer any"
    )


@command("commands", Group.POINTS, declare_commands, examples=())
def commands(session: Session, arguments: Arguments) -> Document:
    """Execute commands whenever a point stops the guest: `commands 1 "registers rax" "continue"`."""
    point = session.debugger.points.find(arguments.number)
    for line in arguments.lines:
        session.check(line)
    session.execution.on_point.pop(point.number, None)
    if arguments.lines:
        session.execution.on_point[point.number] = tuple(arguments.lines)
    return document(f"{kind_words(point)} {point.number}: {'; '.join(arguments.lines) or 'no commands'}")
