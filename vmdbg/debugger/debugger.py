"""The debugger that all front ends of one machine share."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from devices.disk.medium import MediumError
from vmdbg.debugger.actions import Action, Continue, Direction, Seek, Step
from vmdbg.debugger.backward import BackwardContinueRun, BackwardStepRun, SeekRun
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.points import Breakpoint, Watchpoint
from vmdbg.debugger.runs import ContinueRun, Run, StepRun
from vmdbg.debugger.stops import (
    BreakpointStop,
    EventStop,
    HostFailed,
    Interrupted,
    RunFailed,
    StepDone,
    Stop,
    WatchpointStop,
)
from vmdbg.errors import EngineError, RecordingError, UserError, VmdbgError
from vmdbg.interruption import StoppedError
from vmdbg.machine.media import TakenBack
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.state_digest import DivergenceError
from vmdbg.timeline.timeline import Timeline

_FORWARD = Direction.FORWARD
SLICE_TICKS = 20_000_000
"""About 10 ms of host time."""
HEARD_TICKS = 4_000_000
"""Between two calls of who listens: Linux is in its half of the addresses for 11 million before `start_kernel`."""

StopListener = Callable[[Stop], None]
NOBODY = ""
"""Owner of a run that no front end waits for."""


class Debugger(Debuggee):
    """A machine with its history, its breakpoints and whoever listens for stops.

    The guest moves only between resume() and a stop, inside poll(). Everything else looks at it standing.
    """

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(timeline)
        self.last_stop: Stop = StepDone()
        self.stopped_cpu = self.engine.selected
        """The one that came to the last stop, whichever is looked at."""
        self.stop_count = 0
        """How often the guest has come to a stop."""
        self.stop_listeners: list[StopListener] = []
        self.resume_listeners: list[Callable[[], None]] = []
        self.slice_listeners: list[Callable[[], None]] = []
        """Called between two slices of a run, with the guest standing, where it went forwards: HEARD_TICKS at most."""
        self._run: Run | None = None
        self._began = self._before = self.position
        """Where the run under way did, and the slice of it."""
        self._looked_at = self.engine.selected
        """By whoever began it."""
        self.running = False
        """Whether there is one."""
        self.run_by = NOBODY
        """Whose the run under way is, or the last one was: the owner's name, as points have it."""

    def resume(self, action: Action, by: str = NOBODY) -> None:
        """Start an action; poll() carries it out. Raises UserError if the guest is running already."""
        self._make_ready()
        self._begin(self.run_for(action), by)

    def carry_out(self, start: Callable[[], Run], by: str = NOBODY) -> None:
        """Start a run that a front end makes up of others: its parts are no stops. Raises UserError as resume()."""
        self._make_ready()
        self._begin(start(), by)

    def _make_ready(self) -> None:
        if self._run is not None:
            raise UserError("the guest is running: interrupt it first")
        self._interrupted = False
        self._began = self._before = self.position
        self._looked_at = self.engine.selected

    def _begin(self, run: Run, by: str) -> None:
        self._run, self.run_by = run, by
        self.running = True
        for listener in self.resume_listeners:
            listener()

    def run_for(self, action: Action) -> Run:
        """What carries it out from here, for carry_out()."""
        match action:
            case Step():
                return StepRun(self, action) if action.direction is _FORWARD else BackwardStepRun(self, action)
            case Continue():
                return ContinueRun(self, action) if action.direction is _FORWARD else BackwardContinueRun()
            case Seek(position):
                return SeekRun(position)
            case _:
                assert_never(action)

    @property
    def goes_forwards(self) -> bool:
        """Whether the run under way does so step by step, from the end of the history into what has not happened."""
        return isinstance(self._run, ContinueRun | StepRun) and self.timeline.live

    def let_go(self, by: str) -> None:
        """`by` leaves: its run forwards goes on as nobody's, any other is interrupted."""
        if self._run is None or self.run_by != by:
            return
        self.run_by = NOBODY
        if not isinstance(self._run, ContinueRun):
            self.interrupt(by)

    def restart(self) -> list[TakenBack]:
        """Back to the first instant; what came after is forgotten, unless it is a recording's. Raises UserError.

        Returns which images were taken back with it.
        """
        if self._run is not None:
            raise UserError("the guest is running: interrupt it first")
        if not self.timeline.closed:
            self.timeline.must_drop_after(self.timeline.start)
        self._changes += 1
        self.timeline.seek(self.timeline.start)
        taken_back = self.timeline.fork() if not self.timeline.closed else []
        self.last_stop, self.stopped_cpu = StepDone(), self.engine.selected
        return taken_back

    def poll(self, budget: int = SLICE_TICKS) -> Stop | None:
        """Let the guest move for about `budget` ticks. The stop if it came to one, be it because something failed."""
        run = self._run
        if run is None:
            return None
        self._changes += 1
        before = self.position if self.slice_listeners else None
        if before is not None:
            budget = min(budget, HEARD_TICKS)
        try:
            stop = Interrupted() if self._interrupted else self._slice(run, budget)
        except BaseException as error:
            if not (self._interrupted and isinstance(error, KeyboardInterrupt)) or isinstance(error, StoppedError):
                run.abandon(self)
                self._run, self.running = None, False
                raise
            stop = Interrupted()  # the run was left where it looks
        if stop is None:
            self._before = self.position
            if before is not None and self.position > before:
                for listener in list(self.slice_listeners):
                    listener()
            return None
        run.abandon(self)
        self._run, self.running = None, False
        self._settle(stop)
        return stop

    def _slice(self, run: Run, budget: int) -> Stop | None:
        """Whatever fails is a stop. Raises RecordingError, EngineError where no instant is left to stand at."""
        try:
            return run.slice(self, budget)
        except MediumError as error:
            return HostFailed(str(error))
        except (RecordingError, EngineError) as error:
            self.timeline.come_back(self._trusted(run, error))
            self.look_at(self._looked_at)
            return RunFailed(error, f"the guest stands at tick {self.position}")
        except VmdbgError as error:
            return RunFailed(error)

    def _trusted(self, run: Run, error: VmdbgError) -> Position:
        """Where to stand: before the slice, or, of a run that diverged, where it was last known not to have."""
        if not isinstance(error, DivergenceError):
            return self._before
        agreed = self.timeline.verification.last_before(error.expected.position)
        trusted = self._began if agreed is None else max(self._began, agreed)
        # What agreed may lie in the slice that diverged; other runs have gone back by themselves where they seek.
        return trusted if isinstance(run, ContinueRun) else min(self._before, trusted)

    def wait(self, poll: Callable[[], None] | None = None) -> Stop:
        """Carry out the action under way to its stop; `poll` is called between slices."""
        while self._run is not None:
            stop = self.poll()
            if stop is not None:
                return stop
            if poll is not None:
                poll()
        return self.last_stop

    def _settle(self, stop: Stop) -> None:
        self._interrupted = False
        self.last_stop, self.stopped_cpu = stop, self.engine.selected
        if self.machine.cpus.turns.several and isinstance(stop, BreakpointStop | EventStop):
            self._told = (self.position, self.machine.cpus.turns.current)
        self.stop_count += 1
        for point in _points_of(stop):
            if point.temporary:
                self.points.remove(point)
        for listener in list(self.stop_listeners):
            listener(stop)

    def close(self) -> None:
        self.machine.close()


def _points_of(stop: Stop) -> list[Breakpoint | Watchpoint]:
    match stop:
        case BreakpointStop(breakpoints):
            return list(breakpoints)
        case WatchpointStop(hits):
            return [point for point, _ in hits]
        case _:
            return []
