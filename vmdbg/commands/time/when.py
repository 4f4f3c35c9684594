"""when."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document, pairs, text
from vmdbg.session.positions import percent_of
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session
from vmdbg.units import TICKS_PER_SECOND


@command("when", Group.TIME, aliases=("info replay", "info record"), examples=("when", "when --json"))
def when(session: Session, arguments: Arguments) -> Document:
    """Show where in time the guest stands, how much history there is, and whether what comes next is known."""
    timeline = session.debugger.timeline
    here = timeline.position
    known = "nothing is known yet: the guest is live" if timeline.live else "known: this is the past"
    if timeline.closed and here >= timeline.end:
        known = "the recording ends here"
    rows = [
        ("position", text(str(here))),
        ("guest time", text(f"{here.tick / TICKS_PER_SECOND:.9f} s")),
        ("of history", text(f"{percent_of(session, here):.2f}%", value=round(percent_of(session, here), 4))),
        ("history", text(f"{timeline.start} to {timeline.end}")),
        ("what comes", text(known)),
    ]
    rows += [(f"bookmark {name}", text(str(mark))) for name, mark in sorted(timeline.bookmarks.items())]
    return document(pairs(rows))
