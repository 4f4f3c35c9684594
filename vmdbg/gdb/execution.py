"""Running, stepping, stopping, and going back, for clients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from gdbstub.errors import TargetError
from gdbstub.stops import StopReason, ThreadId
from gdbstub.target import (
    SSTEP_ENABLE,
    SSTEP_NOIRQ,
    SSTEP_NOTIMER,
    Action,
    ActionKind,
    RangeStep,
    Step,
    Stop,
)
from vmdbg.debugger import actions as to_do
from vmdbg.debugger.actions import Direction, StepMode
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.runs import Run
from vmdbg.gdb.errors import refusals
from vmdbg.gdb.standing import MISSED, Standing
from vmdbg.gdb.stops import StopReasons
from vmdbg.gdb.threads import cpu_of, thread_of
from vmdbg.machine.inputs import ScheduleChange
from vmdbg.machine.schedule import OneAlone
from vmdbg.units import CpuId, Linear

_STEPS = (Step, RangeStep)
_STEP, _CONTINUE = to_do.Step(), to_do.Continue()


class GuestExecution:
    """gdbstub's Execution, Interrupt and Reverse ports. CPUs run and stop together, as the schedule has it."""

    actions = frozenset({ActionKind.CONTINUE, ActionKind.STEP, ActionKind.RANGE_STEP, ActionKind.STOP})

    def __init__(
        self,
        debugger: Debugger,
        reasons: StopReasons,
        linear_of: Callable[[int], int],
        next_run: Callable[[], Callable[[], Run] | None],
        standing: Standing,
        tell: Callable[[StopReason], None],
        owner: str,
    ) -> None:
        """`next_run` is what the client asked for to be done instead of the step or continue that comes now.

        `tell` tells the client of a stop.
        """
        self._standing = standing
        self._tell = tell
        self._owner = owner
        self._next_run = next_run
        self._debugger = debugger
        self._reasons = reasons
        self._linear_of = linear_of
        self._before_holding = ""
        """The schedule, while scheduler-locking has another in its place."""

    def resume(self, requests: Mapping[ThreadId, Action]) -> None:
        """A step that is over soon stops before this returns: that makes stepping fast.

        Of several CPUs one steps, and the others run meanwhile what they would have run anyway; so they do where the
        client names only the one, as gdb does to get over a breakpoint. Raises TargetError for a continue of some.
        """
        stops = False
        for thread, request in requests.items():
            if isinstance(request, _STEPS):
                self._step(thread, request)
                return
            stops = stops or isinstance(request, Stop)
        if stops:
            self.interrupt()
            return
        self._hold_back(requests)
        self._reasons.stepped = None
        self._start(_CONTINUE)

    def _hold_back(self, let: Collection[ThreadId]) -> None:
        """Have other CPUs stand while these run: that is another run, so only on a fork. Raises TargetError."""
        debugger = self._debugger
        if debugger.running:
            return
        if len(let) >= len(debugger.cpus):
            self.let_all_run()
            return
        if not (debugger.timeline.forks and debugger.timeline.live and len(let) == 1):
            raise TargetError(_parted([cpu.number for cpu in debugger.cpus if thread_of(cpu.number) not in let]))
        self._before_holding = self._before_holding or str(debugger.machine.cpus.turns.schedule)
        self._schedule(str(OneAlone(cpu_of(next(iter(let))))))

    def let_all_run(self) -> None:
        """Scheduler-locking no longer holds anybody back."""
        if not self._before_holding:
            return
        before, self._before_holding = self._before_holding, ""
        timeline = self._debugger.timeline
        if timeline.live and isinstance(timeline.machine.cpus.turns.schedule, OneAlone):
            self._schedule(before)

    def _schedule(self, schedule: str) -> None:
        if str(self._debugger.machine.cpus.turns.schedule) != schedule:
            with refusals(), self._standing.own_doing():
                self._debugger.timeline.push(ScheduleChange(schedule))

    def _step(self, thread: ThreadId, request: Step | RangeStep) -> None:
        self._look_at(thread)
        match request:
            case Step():
                self._start(_STEP)
            case RangeStep(start, end):
                span = Linear(self._linear_of(start)), Linear(self._linear_of(end))
                self._start(to_do.Step(span=span))
            case _:
                assert_never(request)

    def _look_at(self, thread: ThreadId) -> None:
        """It is to be stepped."""
        if not self._debugger.running:
            self._debugger.look_at(cpu_of(thread))
            self._reasons.stepped = thread

    def _start(self, action: to_do.Action) -> None:
        """Unless the guest is not where the client believes it stands: then it is told of the stop that it missed, or
        waits for the one to come.
        """
        begin = self._next_run()
        if self._standing.joins:
            return
        if not self._debugger.running and not self._standing.is_known:
            self._tell(replace(MISSED, thread=thread_of(self._debugger.stopped_cpu)))
            return
        with refusals():
            if begin is not None:
                self._debugger.carry_out(begin, self._owner)
                return
            self._debugger.resume(action, self._owner)
            if isinstance(action, to_do.Step):
                self._debugger.poll()

    def state(self) -> StopReason | None:
        return None if self._debugger.running else self._reasons.of(self._debugger.last_stop)

    def interrupt(self) -> None:
        self._debugger.interrupt(self._owner)

    def reverse_step(self, thread: ThreadId) -> None:
        self._look_at(thread)
        self._start(to_do.Step(Direction.BACKWARD))

    def reverse_continue(self, _thread: ThreadId) -> None:
        self._reasons.stepped = None
        self._start(to_do.Continue(Direction.BACKWARD))


def _parted(left_out: Sequence[CpuId]) -> str:
    names = ", ".join(f"CPU {cpu}" for cpu in left_out)
    return (
        f"nothing was run: CPUs run by turns, and to hold {names} back would be another run than the guest's. "
        "`set scheduler-locking off` lets all run; after `monitor fork` one can run alone"
    )


class StepMask:
    """gdbstub's SingleStepMask port, for scripts written for QEMU.

    Nothing is ever masked here: with QEMU's NOIRQ a step stays in its context, without it a step shows the handler.
    """

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger

    def get(self) -> int:
        masked = SSTEP_NOIRQ | SSTEP_NOTIMER
        return SSTEP_ENABLE | (masked if self._debugger.step_mode is StepMode.SAME_CONTEXT else 0)

    def set(self, mask: int) -> None:
        self._debugger.step_mode = StepMode.SAME_CONTEXT if mask & SSTEP_NOIRQ else StepMode.ARCHITECTURAL
