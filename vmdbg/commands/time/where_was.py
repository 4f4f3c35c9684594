"""where-was."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Text, document, pairs, text
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.positions import find_position
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.session.stop_report import place_text


def declare(parser: Parser) -> None:
    parser.add_argument("position", metavar="POSITION", help="which instant")


@command(
    "where-was",
    Group.TIME,
    declare,
    examples=("where-was start", "where-was 50%", "where-was 5000 --json"),
    rest="position",
)
def where_was(session: Session, arguments: Arguments) -> Document:
    """Show what the guest was doing at another instant, without going there."""
    position = find_position(session, arguments.position)
    with elsewhen(session, position):
        rows: list[tuple[str, Text]] = [("position", text(str(session.debugger.position)))]
        rows.append(("at", place_text(session, session.debugger.pc)))
        rows.append(("mode", text(f"{session.registers.mode.value}, ring {session.registers.cpl}")))
        task = session.system.task()
        if task is not None:
            rows.append(("task", text(f"{task.name} ({task.pid})")))
        return document(pairs(rows))
