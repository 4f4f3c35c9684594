"""The guest with what a debugger has set in it: what runs, searches and judgements of stops go by."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.actions import StepMode
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.point_table import PointTable
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId


class Debuggee(Guest):
    """A guest under a debugger."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(timeline)
        self.points = PointTable()
        timeline.fork_listeners.append(self.points.cut)
        self.step_mode = StepMode.SAME_CONTEXT
        self.progress_listeners: list[Callable[[float], None]] = []
        """Told how much of a long way through time is done, from 0 to 1."""
        self._interrupted = False
        self._told: tuple[Position, CpuId | None] | None = None
        """The last instant at which a breakpoint, or an event, was told of, and whose turn it was."""
        self.interrupted_by = ""
        """The owner's name of who asked for the last interruption, if he gave it."""

    @property
    def passes_here(self) -> bool:
        """Whether a run from here is to pass what stands here: the user knows of it, or looks at it."""
        turns = self.machine.cpus.turns
        if not turns.several:
            return True
        turn = turns.current
        return turn in (None, self.engine.selected) or self._told == (self.position, turn)

    def on_progress(self, done: float) -> None:
        """So much of a long way through time is done."""
        for listener in list(self.progress_listeners):
            listener(done)

    def interrupt(self, by: str = "") -> None:
        """Stop the guest at the end of the slice; does nothing if it stands."""
        self._interrupted = True
        self.interrupted_by = by

    @property
    def interrupt_wanted(self) -> bool:
        return self._interrupted
