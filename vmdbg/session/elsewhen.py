"""Looking at another instant and coming back, so that nothing has moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.session.view import View


@contextmanager
def elsewhen(view: View, position: Position | None = None) -> Iterator[None]:
    """Stand at `position` (or move freely) inside; afterwards all is as before, the CPU too. Raises UserError."""
    debugger = view.debugger
    if debugger.running:
        raise UserError("the guest is running: stop it first")
    timeline = debugger.timeline
    here, chosen = timeline.position, debugger.engine.selected
    try:
        if position is not None:
            timeline.seek(position, view.progress)
        yield
    finally:
        timeline.seek(here)
        debugger.engine.select(chosen)
