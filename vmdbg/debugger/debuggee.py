"""The guest with what a debugger has set in it: what runs, searches and judgements of stops go by."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.actions import StepMode
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.point_table import PointTable
from vmdbg.timeline.timeline import Timeline


class Debuggee(Guest):
    """A guest under a debugger."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(timeline)
        self.points = PointTable()
        timeline.fork_listeners.append(self.points.cut)
        self.step_mode = StepMode.SAME_CONTEXT
        self.on_progress: Callable[[float], None] | None = None
        """Told how much of a long way through time is done, from 0 to 1."""
        self._interrupted = False

    def interrupt(self) -> None:
        """Stop the guest at the end of the slice; does nothing if it stands."""
        self._interrupted = True

    @property
    def interrupt_wanted(self) -> bool:
        return self._interrupted
