"""interleaving: what CPUs did that bears on each other, a column a CPU."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Json, Style, document, text
from vmdbg.document.lanes import Chart, in_columns
from vmdbg.errors import UserError
from vmdbg.session.new_files import written_new
from vmdbg.session.numbers import how_many
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
    from vmdbg.commands.time.interleaved import interleaving_between  # most sessions look at no interleaving

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


def _draw(session: Session, chart: Chart, arguments: Arguments) -> str:
    if Effect.FILES not in session.allowed:
        raise UserError("this front end may not write files: leave out --svg")
    if len(chart.entries) > MOST_DRAWN:
        raise UserError(f"{len(chart.entries):,} rows are too many to draw, {MOST_DRAWN:,} can be: take a shorter time")
    from vmdbg.document.lanes_svg import svg

    content = svg(chart, f"{arguments.begin} to {arguments.until}").encode()
    path = session.files.place(arguments.svg, len(content))
    with written_new(path) as file:
        file.write(content)
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
