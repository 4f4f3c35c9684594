"""Going backwards, and anywhere in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.debugger.actions import Step, StepMode
from vmdbg.debugger.context import current_context
from vmdbg.debugger.judge import breakpoints_here, judge
from vmdbg.debugger.stops import BreakpointStop, HistoryStart, Interrupted, StepDone, Stop
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.outcome import TimelineOutcome

if TYPE_CHECKING:
    from vmdbg.debugger.debugger import Debugger


class BackwardContinueRun:
    """Back to the last stop before now. One slice does it all; interrupt() ends it where it began."""

    def slice(self, debugger: Debugger, budget: int) -> Stop | None:  # noqa: ARG002 - Run's signature
        return search_backwards(debugger)

    def abandon(self, debugger: Debugger) -> None:
        pass


def search_backwards(debugger: Debugger) -> Stop:
    """Stand at the latest instant before now at which going forwards would have stopped."""
    last: list[Stop] = []

    def is_stop(outcome: TimelineOutcome) -> bool:
        stop = judge(debugger, outcome)
        if stop is None:
            return False
        last[:] = [stop]
        return True

    debugger.points.arm(debugger.engine)
    origin = debugger.position
    found = debugger.timeline.reverse_search(is_stop, debugger.on_progress, lambda: debugger.interrupt_wanted)
    if debugger.interrupt_wanted and debugger.position == origin:
        return Interrupted()
    return last[0] if found is not None and last else HistoryStart()


class BackwardStepRun:
    """Steps backwards. In the same context, handlers that returned here are passed over."""

    def __init__(self, debugger: Debugger, action: Step) -> None:
        self._left = action.count
        self._span = action.span
        self._mode = action.mode or debugger.step_mode

    def slice(self, debugger: Debugger, budget: int) -> Stop | None:  # noqa: ARG002 - Run's signature
        stop = self._step(debugger)
        if stop is not None:
            return stop
        if self._span is not None:
            low, high = self._span
            if not low <= debugger.pc < high:
                return StepDone()
            here = breakpoints_here(debugger)
            return BreakpointStop(tuple(here)) if here else None
        self._left -= 1
        return StepDone() if self._left <= 0 else None

    def _step(self, debugger: Debugger) -> Stop | None:
        timeline, engine = debugger.timeline, debugger.engine
        if timeline.position <= timeline.start:
            return HistoryStart()
        context, pc = current_context(engine), engine.linear_pc
        timeline.reverse_step(past_inputs=self._mode is StepMode.SAME_CONTEXT)
        if self._mode is StepMode.ARCHITECTURAL or not self._returned_from_handler(debugger):
            return None
        point = debugger.points.add_breakpoint(pc, condition=lambda d: current_context(d.engine) == context)
        try:
            stop = search_backwards(debugger)
        finally:
            debugger.points.remove(point)
        if not isinstance(stop, BreakpointStop) or point not in stop.breakpoints:
            return stop
        return self._step(debugger)

    def _returned_from_handler(self, debugger: Debugger) -> bool:
        """Whether the instruction at the pc is an IRET: what came before it was another context's."""
        code = debugger.linear().read_prefix(debugger.pc, 2)
        return code[:1] == b"\xcf" or (code[:1] in (b"\x48", b"\x66") and code[1:2] == b"\xcf")

    def abandon(self, debugger: Debugger) -> None:
        pass


class SeekRun:
    """To an instant."""

    def __init__(self, position: Position) -> None:
        self._position = position

    def slice(self, debugger: Debugger, budget: int) -> Stop | None:  # noqa: ARG002 - Run's signature
        debugger.timeline.seek(self._position, debugger.on_progress)
        return StepDone()

    def abandon(self, debugger: Debugger) -> None:
        pass
