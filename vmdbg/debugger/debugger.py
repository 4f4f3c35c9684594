"""The debugger that all front ends of one machine share."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from vmdbg.debugger.actions import Action, Continue, Direction, Seek, Step, StepMode
from vmdbg.debugger.backward import BackwardContinueRun, BackwardStepRun, SeekRun
from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.memory import GuestPhysicalMemory, linear_memory
from vmdbg.debugger.point_table import PointTable
from vmdbg.debugger.points import Breakpoint, Watchpoint
from vmdbg.debugger.runs import ContinueRun, Run, StepRun
from vmdbg.debugger.stops import BreakpointStop, Interrupted, StepDone, Stop, WatchpointStop
from vmdbg.engine.port import Engine
from vmdbg.errors import UserError
from vmdbg.interruption import StoppedError
from vmdbg.machine.inputs import RegisterWrite
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Physical
from vmdbg.x86.linear_memory import LinearMemory

SLICE_TICKS = 20_000_000
"""About 10 ms of host time."""

StopListener = Callable[[Stop], None]
Epoch = tuple[int, Position]


class Debugger:
    """A machine with its history, its breakpoints and whoever listens for stops.

    The guest moves only between resume() and a stop, inside poll(). Everything else looks at it standing.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.points = PointTable()
        self.step_mode = StepMode.SAME_CONTEXT
        self.last_stop: Stop = StepDone()
        self.stop_listeners: list[StopListener] = []
        self.resume_listeners: list[Callable[[], None]] = []
        self.slice_listeners: list[Callable[[], None]] = []
        """Called between two slices of a run forwards, with the guest standing, after SLICE_TICKS at most."""
        timeline.fork_listeners.append(self.points.cut)
        self.cpu = Cpu(self.machine)
        self.physical = GuestPhysicalMemory(self.engine, timeline)
        self._run: Run | None = None
        self.on_progress: Callable[[float], None] | None = None
        """Told how much of a long way through time is done, from 0 to 1."""
        self._interrupted = False
        self._changes = 0
        self._linear: tuple[Epoch, LinearMemory] | None = None

    @property
    def machine(self) -> Machine:
        return self.timeline.machine

    @property
    def engine(self) -> Engine:
        return self.timeline.machine.engine

    @property
    def position(self) -> Position:
        return self.timeline.position

    @property
    def pc(self) -> Linear:
        """cs.base + rip: where the next instruction is fetched."""
        return self.engine.linear_pc

    @property
    def epoch(self) -> Epoch:
        """As long as it stays equal, so does all that can be seen of the guest."""
        return self._changes, self.position

    @property
    def running(self) -> bool:
        return self._run is not None

    def linear(self, cr3: int | None = None) -> LinearMemory:
        """Linear memory as the stopped CPU sees it, or as another CR3 would have it."""
        if cr3 is not None:
            return linear_memory(self.engine, self.physical, cr3)
        epoch = self.epoch
        if self._linear is None or self._linear[0] != epoch:
            self._linear = (epoch, linear_memory(self.engine, self.physical))
        return self._linear[1]

    def write_register(self, name: str, value: int) -> None:
        """A recorded input. Raises KeyError for an unknown name, UserError in the past."""
        if name not in self.engine.register_names:
            raise KeyError(name)
        self._changes += 1
        self.timeline.push(RegisterWrite(name, value))

    def write_linear(self, address: Linear, data: bytes) -> None:
        """All or nothing. Raises UnmappedLinearError, or UserError in the past."""
        self._changes += 1
        self.linear().write(address, data)
        self._changes += 1

    def write_physical(self, address: Physical, data: bytes) -> None:
        """All or nothing. Raises UnmappedPhysicalError, or UserError in the past."""
        self._changes += 1
        self.physical.write(address, data)

    def resume(self, action: Action) -> None:
        """Start an action; poll() carries it out. Raises UserError if the guest is running already."""
        self.carry_out(lambda: self._start(action))

    def carry_out(self, start: Callable[[], Run]) -> None:
        """Start a run that a front end makes up of others: its parts are no stops. Raises UserError as resume()."""
        if self._run is not None:
            raise UserError("the guest is running: interrupt it first")
        self._interrupted = False
        self._run = start()
        for listener in self.resume_listeners:
            listener()

    def _start(self, action: Action) -> Run:
        match action:
            case Continue(Direction.FORWARD):
                return ContinueRun(self, action)
            case Continue():
                return BackwardContinueRun()
            case Step(Direction.FORWARD):
                return StepRun(self, action)
            case Step():
                return BackwardStepRun(self, action)
            case Seek(position):
                return SeekRun(position)
            case _:
                assert_never(action)

    def restart(self) -> None:
        """Back to the first instant; what came after is forgotten, unless it is a recording's. Raises UserError."""
        if self._run is not None:
            raise UserError("the guest is running: interrupt it first")
        self._changes += 1
        self.timeline.seek(self.timeline.start)
        if not self.timeline.closed:
            self.timeline.fork()
        self.last_stop = StepDone()

    def poll(self, budget: int = SLICE_TICKS) -> Stop | None:
        """Let the guest move for about `budget` ticks. The stop if it came to one."""
        run = self._run
        if run is None:
            return None
        self._changes += 1
        if self.slice_listeners:
            budget = min(budget, SLICE_TICKS)
        try:
            stop: Stop | None = Interrupted() if self._interrupted else run.slice(self, budget)
        except BaseException as error:
            if not (self._interrupted and isinstance(error, KeyboardInterrupt)) or isinstance(error, StoppedError):
                run.abandon(self)
                self._run = None
                raise
            stop = Interrupted()  # the run was left where it looks
        if stop is None:
            if isinstance(run, ContinueRun):
                for listener in list(self.slice_listeners):
                    listener()
            return None
        run.abandon(self)
        self._run = None
        self._settle(stop)
        return stop

    def wait(self, poll: Callable[[], None] | None = None) -> Stop:
        """Carry out the action under way to its stop; `poll` is called between slices."""
        while self._run is not None:
            stop = self.poll()
            if stop is not None:
                return stop
            if poll is not None:
                poll()
        return self.last_stop

    def interrupt(self) -> None:
        """Stop the guest at the end of the slice; does nothing if it stands."""
        self._interrupted = True

    @property
    def interrupt_wanted(self) -> bool:
        return self._interrupted

    def _settle(self, stop: Stop) -> None:
        self._interrupted = False
        self.last_stop = stop
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
