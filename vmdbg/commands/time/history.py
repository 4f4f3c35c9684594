"""history and back."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.actions import Seek
from vmdbg.document.document import Document, Style, count, document, table, text
from vmdbg.errors import UserError
from vmdbg.session.numbers import how_many
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.stop_report import place_text
from vmdbg.session.visits import Visits


def declare(parser: Parser) -> None:
    parser.add_argument("number", nargs="?", type=how_many, default=20, metavar="NUMBER", help="of the last stops (20)")


@command("history", Group.TIME, declare, aliases=("info history",), examples=("history", "history 5"))
def history(session: Session, arguments: Arguments) -> Document:
    """List where the guest stopped in this session; `back` and `forward` go there again."""
    visits = session.part(Visits)
    first = max(0, len(visits.places) - max(1, arguments.number))
    places = {pc: place_text(session, pc) for pc in dict.fromkeys(pc for _, pc, _ in visits.places[first:])}
    rows = [
        (
            text("=>" if number == visits.current else "", Style.CURRENT),
            count(number),
            text(str(position)),
            places[pc],
            text(why),
        )
        for number, (position, pc, why) in list(enumerate(visits.places))[first:]
    ]
    return document(table(("", ">#", ">position", "at", "why"), rows))


def declare_steps(parser: Parser) -> None:
    parser.add_argument("steps", nargs="?", type=how_many, default=1, metavar="NUMBER", help="how many stops (1)")


@command("back", Group.TIME, declare_steps, examples=("back",), effect=Effect.RUNS, repeats=True)
def back(session: Session, arguments: Arguments) -> Document:
    """Go to where the guest stopped before."""
    return _visit(session, -arguments.steps)


@command("forward", Group.TIME, declare_steps, aliases=("fwd",), examples=(), effect=Effect.RUNS, repeats=True)
def forward(session: Session, arguments: Arguments) -> Document:
    """Go forward again, after `back`."""
    return _visit(session, arguments.steps)


def _visit(session: Session, offset: int) -> Document:
    visits = session.part(Visits)
    target = visits.current + offset
    if not 0 <= target < len(visits.places):
        raise UserError("there is no such stop: history lists them")
    visits.returning = True
    try:
        result = session.execution.act(Seek(visits.places[target][0]))
    finally:
        visits.returning = False
    visits.current = target
    return result
