"""Where the guest stopped while the user looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.debugger.stops import Stop
from vmdbg.machine.snapshot import Position
from vmdbg.session.stop_report import headline

if TYPE_CHECKING:
    from vmdbg.session.session import Session

KEPT = 1000


class Visits:
    """Where the guest stopped, in the order of the user's visits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.places: list[tuple[Position, int, str]] = []
        self.current = -1
        self.returning = False

    def on_stop(self, stop: Stop) -> None:
        if self.returning:
            return
        debugger = self._session.debugger
        del self.places[self.current + 1 :]
        if not self.places or self.places[-1][0] != debugger.position:
            self.places.append((debugger.position, debugger.pc, headline(self._session, stop)))
        del self.places[:-KEPT]
        self.current = len(self.places) - 1
