"""Letting the guest run for the client (dapstub.target.Execution)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dapstub import requests, values
from dapstub.errors import NotStoppedError, TargetError
from dapstub.requests import Granularity, StepKind
from vmdbg.commands.run.finish import back_to_call_run
from vmdbg.dap.errors import refusals
from vmdbg.dap.looking import cpu_of, frame_of
from vmdbg.dap.references import References
from vmdbg.dap.source_files import SourceFiles
from vmdbg.dap.stops import exception_details
from vmdbg.debugger.actions import Action, Continue, Direction
from vmdbg.debugger.back_to import back_to
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.runs import Run
from vmdbg.debugger.stepping import BackwardRun, ToPlaceRun
from vmdbg.session.session import Session

RUNNING = "the guest runs already"
_STEPS = {
    StepKind.NEXT: ("next", "nexti"),
    StepKind.IN: ("step", "stepi"),
    StepKind.OUT: ("finish", "finish"),
    StepKind.BACK: ("reverse-next", "reverse-stepi"),
}
"""The prompt's commands, by lines and by instructions."""


class GuestExecution:
    def __init__(self, session: Session, references: References, sources: SourceFiles) -> None:
        self._session = session
        self._debugger = session.debugger
        self._references = references
        self._sources = sources
        self._targets: list[tuple[int, Direction]] = []
        """Of goto, by their number: an address, and which way in time."""
        self.reason: values.StopReason | None = None
        """What the run under way is for, where the way it ends does not say."""
        self.beginning = False
        """Whether the client's own request lets the guest run just now."""
        self.cancelled = False
        """Whether what is searched for is not wanted any more."""

    @property
    def running(self) -> bool:
        return self._debugger.running

    def _act(self, action: Action, reason: values.StopReason | None = None) -> None:
        self._begin(lambda: self._debugger.resume(action, self._session.owner), reason)

    def _carry(self, start: Callable[[Debugger], Run], reason: values.StopReason | None = None) -> None:
        self._begin(lambda: self._debugger.carry_out(lambda: start(self._debugger), self._session.owner), reason)

    def _begin(self, begin: Callable[[], None], reason: values.StopReason | None) -> None:
        if self._debugger.running:
            raise NotStoppedError(RUNNING)
        self.beginning = True
        try:
            with refusals():
                begin()
        finally:
            self.beginning = False
        self.reason = reason

    def go(self, thread: int) -> None:
        del thread  # all of them
        self._act(Continue())

    def reverse(self, thread: int) -> None:
        del thread
        self._act(Continue(Direction.BACKWARD))

    def pause(self) -> None:
        self.cancelled = True
        if self._debugger.running:
            self._debugger.interrupt(self._session.owner)

    def step(self, step: requests.Step) -> None:
        """By lines of the source, or by instructions where that is wanted or the code has no lines."""
        if self._debugger.running:
            raise NotStoppedError(RUNNING)
        with refusals():
            self._debugger.look_at(cpu_of(self._session, step.thread))
        self._session.frames.select(0)
        by_line, by_instruction = _STEPS[step.kind]
        line = by_instruction if step.granularity is Granularity.INSTRUCTION else by_line
        self._carry(lambda _: self._session.execution.plan(line), values.StopReason.STEP)

    def restart_frame(self, frame: int) -> None:
        """Back in time, to the call of the frame."""
        key = self._references.frame(frame)
        if key.task is not None:
            raise TargetError("the call of a task that is on no CPU: go back to when it ran")
        with refusals():
            self._debugger.look_at(key.cpu)
            with frame_of(self._session, key) as found:
                run = back_to_call_run(self._session, found.physical.number)
        self._carry(run, values.StopReason.RESTART)

    def goto_targets(self, source: requests.SourceName, line: int) -> Sequence[values.GotoTarget]:
        """A line is gone to in time: to when it ran last, or will run next. Nothing jumps over code."""
        with refusals():
            found = self._sources.line(source, line)
        if found is None:
            return []
        where = found.line
        made = []
        for direction, words in (
            (Direction.BACKWARD, f"back to when line {where} ran last"),
            (Direction.FORWARD, f"on to when line {where} runs next"),
        ):
            self._targets.append((found.address, direction))
            made.append(values.GotoTarget(len(self._targets), words, where, f"{found.address:#x}"))
        return made

    def goto(self, thread: int, target: int) -> None:
        del thread
        if not 1 <= target <= len(self._targets):
            raise TargetError(f"there is no target {target} to go to")
        address, direction = self._targets[target - 1]
        if direction is Direction.BACKWARD:
            self._carry(lambda _: BackwardRun(lambda d: back_to(d, [address], lambda _: True)), values.StopReason.GOTO)
        else:
            self._carry(lambda d: ToPlaceRun(d, address, None), values.StopReason.GOTO)

    def exception_info(self, thread: int) -> values.ExceptionDetails:
        del thread
        return exception_details(self._session)
