"""Running, stepping, stopping, and going back, for clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from gdbstub.stops import StopReason, ThreadId
from gdbstub.target import (
    SSTEP_ENABLE,
    SSTEP_NOIRQ,
    SSTEP_NOTIMER,
    Action,
    ActionKind,
    Continue,
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
from vmdbg.units import Linear


class GuestExecution:
    """gdbstub's Execution, Interrupt and Reverse ports. The one thread is the CPU."""

    actions = frozenset({ActionKind.CONTINUE, ActionKind.STEP, ActionKind.RANGE_STEP, ActionKind.STOP})

    def __init__(
        self,
        debugger: Debugger,
        reasons: StopReasons,
        linear_of: Callable[[int], int],
        next_run: Callable[[], Run | None],
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

    def resume(self, requests: Mapping[ThreadId, Action]) -> None:
        """A step that is over soon stops before this returns: that makes stepping fast."""
        for request in requests.values():
            match request:
                case Continue():
                    self._start(to_do.Continue())
                case Step():
                    self._start(to_do.Step())
                case RangeStep(start, end):
                    span = Linear(self._linear_of(start)), Linear(self._linear_of(end))
                    self._start(to_do.Step(span=span))
                case Stop():
                    self.interrupt()
                case _:
                    assert_never(request)

    def _start(self, action: to_do.Action) -> None:
        """Unless the guest is not where the client believes it stands: then it is told of the stop that it missed, or
        waits for the one to come.
        """
        run = self._next_run()
        if self._standing.joins:
            return
        if not self._debugger.running and not self._standing.is_known:
            self._tell(MISSED)
            return
        with refusals():
            if run is not None:
                self._debugger.carry_out(lambda: run, self._owner)
                return
            self._debugger.resume(action, self._owner)
            if isinstance(action, to_do.Step):
                self._debugger.poll()

    def state(self) -> StopReason | None:
        return None if self._debugger.running else self._reasons.of(self._debugger.last_stop)

    def interrupt(self) -> None:
        self._debugger.interrupt(self._owner)

    def reverse_step(self, _thread: ThreadId) -> None:
        self._start(to_do.Step(Direction.BACKWARD))

    def reverse_continue(self, _thread: ThreadId) -> None:
        self._start(to_do.Continue(Direction.BACKWARD))


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
