"""Looking at another instant and coming back, so that nothing has moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmdbg.errors import UserError

if TYPE_CHECKING:
    from vmdbg.machine.snapshot import Position
    from vmdbg.session.session import Session


@contextmanager
def elsewhen(session: Session, position: Position | None = None) -> Iterator[None]:
    """Stand at `position` (or move freely) inside, and where one stood afterwards. Raises UserError."""
    debugger = session.debugger
    if debugger.running:
        raise UserError("the guest is running: stop it first")
    timeline = debugger.timeline
    here = timeline.position
    try:
        if position is not None:
            timeline.seek(position, session.progress)
        yield
    finally:
        timeline.seek(here)
