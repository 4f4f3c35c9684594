"""Going backwards, and anywhere in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devices.disk.medium import MediumError
from vmdbg.debugger.actions import Step, StepMode
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.interruptions import to_first_instant
from vmdbg.debugger.judge import breakpoints_here, counted, would_stop
from vmdbg.debugger.stops import BreakpointStop, HistoryStart, Interrupted, StepDone, Stop
from vmdbg.interruption import StoppedError
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.cpu_turns import reverse_step_of
from vmdbg.timeline.outcomes import TimelineOutcome
from vmdbg.timeline.reverse import reverse_search


@contextmanager
def _or_stays(debugger: Debuggee) -> Iterator[None]:
    """What is interrupted inside, or fails, leaves the guest where it was, unless the process ends."""
    timeline, origin, cpu = debugger.timeline, debugger.position, debugger.cpu.number
    try:
        yield
    except StoppedError:
        raise
    except (KeyboardInterrupt, MediumError):
        with timeline.undisturbed():
            timeline.go(origin)
        debugger.look_at(cpu)
        raise


class BackwardContinueRun:
    """Back to the last stop before now. One slice does it all; interrupt() ends it where it began."""

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        with _or_stays(debugger):
            return search_backwards(debugger)

    def abandon(self, debugger: Debuggee) -> None:
        pass


def search_backwards(debugger: Debuggee) -> Stop:
    """Stand at the latest instant before now at which going forwards would have stopped.

    Hits are counted once the search has ended, and conditions asked without a trace: it passes by again and again.
    """
    origin = debugger.position
    debugger.points.arm(debugger.engine)
    while True:
        found = _last_before(debugger)
        if debugger.interrupt_wanted and debugger.position >= origin:
            return Interrupted()
        if found is None:
            return HistoryStart()
        stop = counted(*found)
        if stop is not None:
            return stop


def _last_before(debugger: Debuggee) -> tuple[Stop, Position] | None:
    """The last stop before now and when the point was hit: of a watchpoint that is after the access."""
    last: list[tuple[Stop, Position]] = []

    def is_stop(outcome: TimelineOutcome) -> bool:
        stop = would_stop(debugger, outcome)
        if stop is None:
            return False
        last[:] = [(stop, debugger.position)]
        return True

    found = reverse_search(debugger.timeline, is_stop, debugger.on_progress, lambda: debugger.interrupt_wanted)
    return last[0] if found is not None and last else None


class BackwardStepRun:
    """Steps backwards the CPU that is looked at; what the others did meanwhile is undone with that.

    In the same context, the way back is that of the steps forth: handlers are passed over.
    """

    def __init__(self, debugger: Debuggee, action: Step) -> None:
        self._left = action.count
        self._span = action.span
        self._mode = action.mode or debugger.step_mode

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        with _or_stays(debugger):
            stop = self._step(debugger)
        if stop is not None:
            return stop
        self._left -= 1
        if self._span is not None:
            low, high = self._span
            if not low <= debugger.pc < high:
                return StepDone()
        elif self._left <= 0:
            return StepDone()
        here = tuple(point for point in breakpoints_here(debugger) if point.action is None and point.holds(debugger))
        return counted(BreakpointStop(here), debugger.position) if here else None

    def _step(self, debugger: Debuggee) -> Stop | None:
        timeline, cpu = debugger.timeline, debugger.cpu.number
        origin = timeline.position
        if self._mode is StepMode.ARCHITECTURAL:
            reverse_step_of(timeline, cpu)
            return None if timeline.position < origin else HistoryStart()
        stop = to_first_instant(debugger)
        if stop is not None:
            return stop
        cpu, before = debugger.cpu.number, timeline.position
        there = reverse_step_of(timeline, cpu, past_inputs=True)
        if there == before:
            return HistoryStart()
        if not debugger.interrupt_wanted and to_first_instant(debugger) is not None:
            timeline.seek(there)
        if debugger.interrupt_wanted:
            timeline.seek(origin)
            debugger.look_at(cpu)
            return Interrupted()
        return None

    def abandon(self, debugger: Debuggee) -> None:
        pass


class SeekRun:
    """To an instant."""

    def __init__(self, position: Position) -> None:
        self._position = position

    def slice(self, debugger: Debuggee, budget: int) -> Stop | None:
        with _or_stays(debugger):
            debugger.timeline.seek(self._position, debugger.on_progress)
        return StepDone()

    def abandon(self, debugger: Debuggee) -> None:
        pass
