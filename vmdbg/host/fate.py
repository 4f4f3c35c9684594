"""How a guest under a debugger ended, for the exit code."""

from __future__ import annotations

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Ended, Stop
from vmdbg.machine.outcome import Outcome, PoweredOff, TestExited


def ended_in_order(debugger: Debugger, stop: Stop) -> bool:
    """Whether the guest ended by itself, live. A recording's guest does not: who debugs it has come to its end."""
    in_order = isinstance(stop, Ended) and isinstance(stop.outcome, PoweredOff | TestExited)
    return in_order and not debugger.timeline.closed


class Fate:
    """`outcome` is what the guest's history ends with; None as long as it goes on, or was made to by `fork`."""

    def __init__(self, debugger: Debugger) -> None:
        self.outcome: Outcome | None = None
        self._timeline = debugger.timeline
        debugger.stop_listeners.append(self._on_stop)

    def _on_stop(self, stop: Stop) -> None:
        if isinstance(stop, Ended):
            self.outcome = stop.outcome
        elif self.outcome is not None and self._timeline.live:
            self.outcome = None
