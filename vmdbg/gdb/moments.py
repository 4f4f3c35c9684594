"""Instants of the history, for tracepoints: the steps after a hit are taken when somebody looks at them."""

from __future__ import annotations

from collections.abc import Sequence

from gdbstub.target import Visit
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.errors import refusals
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

_PHASE_BITS = 32


class GuestMoments:
    """gdbstub's Moments port."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger

    def now(self) -> int:
        """The position as one number."""
        position = self._debugger.position
        return position.tick << _PHASE_BITS | position.phase

    def revisit(self, visits: Sequence[Visit]) -> None:
        """A step is an instruction, a delivery or an input. None goes beyond the present."""
        timeline = self._debugger.timeline
        present = timeline.position
        with refusals(), timeline.undisturbed():
            try:
                for visit in visits:
                    timeline.seek(_position(visit.moment))
                    self._step(visit, present)
            finally:
                timeline.seek(present)

    def _step(self, visit: Visit, present: Position) -> None:
        """Of the CPU that came to the tracepoint: what others do in between are no steps."""
        timeline, engine = self._debugger.timeline, self._debugger.engine
        cpu, left = engine.selected, visit.steps
        while left > 0 and timeline.position < present:
            timeline.step()
            if engine.selected != cpu:
                continue
            left -= 1
            if not visit.take():
                return


def _position(moment: int) -> Position:
    return Position(Tick(moment >> _PHASE_BITS), moment & (1 << _PHASE_BITS) - 1)
