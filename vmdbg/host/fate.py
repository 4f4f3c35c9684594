"""How a guest under a debugger ended, for the exit code."""

from __future__ import annotations

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Ended, Stop
from vmdbg.machine.outcome import Outcome


class Fate:
    """`outcome` is what the guest's history ends with; None as long as it goes on, or was made to by `fork`."""

    def __init__(self, debugger: Debugger) -> None:
        self.outcome: Outcome | None = None
        self._timeline = debugger.timeline
        debugger.stop_listeners.append(self._on_stop)

    def _on_stop(self, stop: Stop) -> None:
        if isinstance(stop, Ended):
            self.outcome = stop.outcome
        elif self._timeline.live:
            self.outcome = None
