"""fork."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.session.disks import taken_back_words
from vmdbg.session.registry import Arguments, Effect, Group
from vmdbg.session.session import Session


@command("fork", Group.TIME, aliases=("go-live",), examples=("fork",), effect=Effect.CHANGES)
def fork(session: Session, arguments: Arguments) -> Document:
    """Start another future here: what came after this instant is dropped, and the guest is live and can be changed."""
    timeline = session.debugger.timeline
    end = timeline.end
    taken_back = timeline.fork()
    words = f"live from {timeline.position}"
    if end > timeline.position:
        words += f"; what came up to {end} is no longer this timeline's"
    return document(words, *taken_back_words(taken_back))
