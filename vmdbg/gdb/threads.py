"""The CPU as a thread: its mode, its ring and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gdbstub.stops import FIRST_THREAD, ThreadId
from gdbstub.target import ThreadInfo
from vmdbg.debugger.debugger import Debugger
from vmdbg.os.seam import CurrentTask

RunningTask = Callable[[], CurrentTask | None]
"""What the guest's operating system has the CPU run; None if that is not known."""


class CpuThreads:
    """gdbstub's Threads port."""

    def __init__(self, debugger: Debugger, running: RunningTask) -> None:
        self._debugger = debugger
        self._running = running

    def threads(self) -> Sequence[ThreadId]:
        return [FIRST_THREAD]

    def describe(self, _thread: ThreadId) -> ThreadInfo:
        return ThreadInfo("CPU 0", ", ".join(self._words()), core=0)

    def _words(self) -> list[str]:
        debugger = self._debugger
        mode = debugger.cpu.mode
        words = [f"{mode.value} mode"]
        if mode.is_protected:
            words.append(f"ring {debugger.cpu.ring}")
        if debugger.cpu.halted:
            words.append("halted")
        task = self._running()
        return [*words, f"{task.name} ({task.pid})"] if task is not None else words
