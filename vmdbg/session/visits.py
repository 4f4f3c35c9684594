"""Where the guest stopped while the user looked."""

from __future__ import annotations

from vmdbg.debugger.stops import Stop
from vmdbg.machine.snapshot import Position
from vmdbg.session.stop_report import headline
from vmdbg.session.view import View

KEPT = 1000


class Visits:
    """Where the guest stopped, in the order of the user's visits."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.places: list[tuple[Position, int, str]] = []
        self.current = -1
        self.returning = False

    def on_stop(self, stop: Stop) -> None:
        if self.returning:
            return
        debugger, places = self._view.debugger, self.places
        here = debugger.position
        del places[self.current + 1 :]
        if not places or places[-1][0] != here:
            places.append((here, debugger.pc, headline(self._view, stop)))
            del places[:-KEPT]
        self.current = len(places) - 1
