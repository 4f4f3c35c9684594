"""Threads, frames and scopes (dapstub.target.Stack). A thread is a CPU or, on request, a task that is on none."""

from __future__ import annotations

from collections.abc import Sequence

from dapstub import requests, values
from vmdbg.commands.code.bt import frame_arguments
from vmdbg.dap.errors import refusals
from vmdbg.dap.looking import cpu_of
from vmdbg.dap.references import FrameKey, References
from vmdbg.dap.scopes import scopes_of
from vmdbg.dap.source_files import SourceFiles
from vmdbg.dap.tasks import SleepingTasks
from vmdbg.debugger.cpu import Cpu
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame
from vmdbg.units import CpuId

KERNEL_HALF = 1 << 63


class GuestStack:
    def __init__(self, session: Session, references: References, sources: SourceFiles) -> None:
        self._session = session
        self._references = references
        self._sources = sources
        self._tasks = session.part(SleepingTasks)

    def threads(self) -> Sequence[values.Thread]:
        cpus = [values.Thread(cpu.number + 1, self._name(cpu)) for cpu in self._session.debugger.cpus]
        return [*cpus, *self._tasks.threads()]

    def _name(self, cpu: Cpu) -> str:
        """What it does, where the guest stands and that is known."""
        debugger = self._session.debugger
        words = f"CPU {cpu.number}"
        if debugger.running:
            return words
        if cpu.waits_for_sipi:
            return f"{words}: not started"
        with debugger.of(cpu.number), refusals():
            task = self._session.system.running()
        halted = " (halted)" if cpu.halted else ""
        return f"{words}: {task.name} ({task.pid}){halted}" if task is not None else f"{words}{halted}"

    def stack_trace(self, request: requests.StackTrace) -> tuple[Sequence[values.StackFrame], int]:
        with refusals():
            cpu, task = self._who(request.thread)
            with self._session.debugger.of(cpu):
                frames = self._session.frames.all() if task is None else self._tasks.frames(task)
                end = request.start + request.levels if request.levels else len(frames)
                shown = [self._frame(FrameKey(cpu, frame.number, task), frame) for frame in frames[request.start : end]]
        return shown, len(frames)

    def _who(self, thread: int) -> tuple[CpuId, int | None]:
        """From which CPU it is looked at, and which task it is; None for the CPU itself."""
        if self._tasks.is_task(thread):
            return self._session.debugger.engine.selected, self._tasks.of_thread(thread)
        return cpu_of(self._session, thread), None

    def _frame(self, key: FrameKey, frame: SourceFrame) -> values.StackFrame:
        source, line = self._place(key, frame)
        return values.StackFrame(
            self._references.add(key),
            self._function(frame),
            line,
            1 if source is not None else 0,
            source=source,
            instruction_pointer_reference=f"{frame.physical.pc:#x}",
            can_restart=not frame.is_inlined and key.task is None,
            presentation_hint=None if source is not None else "subtle",
        )

    def _place(self, key: FrameKey, frame: SourceFrame) -> tuple[values.SourceFile | None, int]:
        """In its source or, without one, in assembly: of a task that is on no CPU only the kernel's is in reach."""
        source = self._sources.shown(frame.file)
        if source is not None:
            return source, frame.line
        is_in_reach = key.task is None or frame.physical.pc >= KERNEL_HALF
        listed = self._sources.listed(frame.physical.pc) if is_in_reach else None
        return listed if listed is not None else (None, 0)

    def _function(self, frame: SourceFrame) -> str:
        location = frame.physical.location
        name = frame.function or (str(location) if location is not None else self._session.describe(frame.physical.pc))
        arguments = frame_arguments(self._session, frame)
        return (name or f"{frame.physical.pc:#x}") + (f"({arguments})" if arguments is not None else "")

    def scopes(self, frame: int) -> Sequence[values.Scope]:
        key = self._references.frame(frame)
        with refusals():
            return scopes_of(self._session, self._references, key)
