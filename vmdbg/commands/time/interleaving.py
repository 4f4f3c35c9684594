"""interleaving: what CPUs did that bears on each other, a column a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.commands.declare import command
from vmdbg.commands.time.race_places import data_place, function_code, time_between
from vmdbg.document.document import Document, Json, Style, document, text
from vmdbg.document.lanes import Chart, in_columns
from vmdbg.document.lanes_svg import svg
from vmdbg.errors import UserError
from vmdbg.queries.queries import Queries
from vmdbg.queries.races.gathering import Wanted
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.interleaving_chart import interleaving_chart
from vmdbg.session.known_linux import linux_of
from vmdbg.session.numbers import how_many
from vmdbg.session.processors import chosen_cpu
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

SHOWN = 200
MOST_DRAWN = 2_000
"""Entries of a picture: what has more is no picture."""


def declare(parser: Parser) -> None:
    parser.add_argument("begin", metavar="POSITION", help="from this instant on")
    parser.add_argument("until", metavar="POSITION", help="up to this one")
    parser.add_argument("--address", default="", metavar="ADDRESS", help="of what lies there alone")
    parser.add_argument("--size", default="", metavar="EXPRESSION", help="of so many bytes from --address on")
    parser.add_argument("--function", default="", metavar="FUNCTION", help="of the data that its code accesses")
    parser.add_argument("--cpu", action="append", default=[], metavar="CPU", help="of this CPU and others so named")
    parser.add_argument("--svg", default="", metavar="FILE", help="draw it into a new file, too")
    parser.add_argument("--limit", type=how_many, default=SHOWN, metavar="NUMBER", help=f"rows shown ({SHOWN})")


@command(
    "interleaving",
    Group.TIME,
    declare,
    aliases=("interleave",),
    examples=("interleaving -1000 here", "interleaving -2000 here --address rsp --size 8"),
)
def interleaving(session: Session, arguments: Arguments) -> Document:
    """Show what the CPUs did at shared addresses between two instants, a column a CPU, in order.

    Shown are accesses to bytes that several CPUs touch and one writes, uses of locks, interrupts and what CPUs tell
    each other, as far as another CPU's depend on them; and switches of tasks. All else could have been in any order
    and is folded. Positions are places to `goto`; that of an access is behind it. All of memory is looked at for at
    most 20 million ticks, with --address or --function longer.
    """
    chart = interleaving_between(
        session,
        arguments.begin,
        arguments.until,
        address=arguments.address,
        size=arguments.size,
        function=arguments.function,
        cpus=arguments.cpu,
    )
    drawn = [text(_draw(session, chart, arguments))] if arguments.svg else []
    notes = [text(note, Style.DIM) for note in chart.notes]
    if not chart.entries:
        nothing = text("no CPU did anything that another's doings depend on", Style.DIM)
        return document(nothing, *notes, *drawn, value=_value(chart))
    more = len(chart.entries) - arguments.limit
    left = [text(f"{more:,} more; --limit shows more, --json all", Style.DIM)] if more > 0 else []
    return document(in_columns(chart, arguments.limit), *left, *notes, *drawn, value=_value(chart))


def interleaving_between(
    session: Session,
    begin: str,
    until: str,
    *,
    address: str = "",
    size: str = "",
    function: str = "",
    cpus: Sequence[str] = (),
) -> Chart:
    """Instants, places and CPUs as users write them. The guest is then where it was. Raises UserError."""
    several = session.debugger.machine.config.cpus
    if several == 1:
        raise UserError("an interleaving is of several CPUs, and this guest has one: `query` has what it did")
    if address and function:
        raise UserError("interleaving takes --address or --function, not both")
    if size and not address:
        raise UserError("--size says how many bytes from --address on are meant: give that too")
    places = (data_place(session, address, size),) if address else ()
    instructions, code = function_code(session, function) if function else ((), None)
    chosen = {chosen_cpu(session, number) for number in cpus}
    if len(chosen) == 1:
        raise UserError("an interleaving is of two CPUs at least: name one more by --cpu")
    wanted = Wanted(places, instructions, code, time_between(session, begin, until))
    queries = Queries(
        session.debugger.timeline,
        workers=session.workers if Effect.HOST in session.allowed else 1,
        on_progress=session.progress,
        linux=lambda: linux_of(session),
    )
    with elsewhen(session):
        found = queries.interleaving(wanted, chosen)
    with elsewhen(session, session.debugger.timeline.end):
        return interleaving_chart(session, found)


def _draw(session: Session, chart: Chart, arguments: Arguments) -> str:
    if Effect.FILES not in session.allowed:
        raise UserError("this front end may not write files: leave out --svg")
    if len(chart.entries) > MOST_DRAWN:
        raise UserError(f"{len(chart.entries):,} rows are too many to draw, {MOST_DRAWN:,} can be: take a shorter time")
    content = svg(chart, f"{arguments.begin} to {arguments.until}").encode()
    path = session.files.place(arguments.svg, len(content))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return f"{path}: drawn"


def _value(chart: Chart) -> Json:
    return {
        "cpus": list(chart.lanes),
        "steps": [
            {
                "cpu": chart.lanes[entry.lane],
                "position": entry.position,
                "what": entry.what,
                "where": entry.where,
                "kind": entry.mark.value,
                "before": entry.before,
            }
            for entry in chart.entries
        ],
        "links": [{"first": tie.first, "second": tie.second, "why": tie.words} for tie in chart.ties],
        "notes": list(chart.notes),
    }
