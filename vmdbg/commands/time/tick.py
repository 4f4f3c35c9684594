"""tick."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, count, document, pairs, text
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session
from vmdbg.units import TICKS_PER_SECOND


@command("tick", Group.TIME, aliases=("ptime",), examples=("tick", "tick --json"))
def tick(session: Session, arguments: Arguments) -> Document:
    """Show the guest's clock: bytes of code retired, which are its nanoseconds too."""
    clock = session.debugger.machine.clock
    position = session.debugger.position
    rows = [
        ("tick", count(clock)),
        ("position", text(str(position))),
        ("guest time", text(f"{clock / TICKS_PER_SECOND:.9f} s")),
    ]
    return document(pairs(rows))
