"""CPUs as threads: their modes, their rings and what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from gdbstub.stops import ThreadId
from gdbstub.target import ThreadInfo
from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.guest import Guest
from vmdbg.os.seam import CurrentTask
from vmdbg.units import CpuId

RunningTask = Callable[[], CurrentTask | None]
"""What the guest's operating system has the CPU that is looked at run; None if that is not known."""
_AS_IT_IS: AbstractContextManager[None] = nullcontext()


def cpu_of(thread: ThreadId) -> CpuId:
    """Threads are numbered from 1."""
    return CpuId(thread - 1)


def thread_of(cpu: CpuId) -> ThreadId:
    return ThreadId(cpu + 1)


def looking_at(guest: Guest, thread: ThreadId) -> AbstractContextManager[None]:
    """The thread's CPU is looked at, and after that again the one that was."""
    cpu = cpu_of(thread)
    return _AS_IT_IS if len(guest.cpus) == 1 or guest.engine.selected == cpu else guest.of(cpu)


class CpuThreads:
    """gdbstub's Threads port."""

    def __init__(self, debugger: Debugger, running: RunningTask) -> None:
        self._debugger = debugger
        self._running = running
        self._threads = [thread_of(cpu.number) for cpu in debugger.cpus]

    def threads(self) -> Sequence[ThreadId]:
        return self._threads

    def describe(self, thread: ThreadId) -> ThreadInfo:
        cpu = self._debugger.cpus[cpu_of(thread)]
        return ThreadInfo(f"CPU {cpu.number}", ", ".join(self._words(cpu, thread)), core=cpu.number)

    def _words(self, cpu: Cpu, thread: ThreadId) -> list[str]:
        mode = cpu.mode
        words = [f"{mode.value} mode"]
        if mode.is_protected:
            words.append(f"ring {cpu.ring}")
        if cpu.waits_for_sipi:
            return [*words, "not started"]
        if cpu.halted:
            words.append("halted")
        elif len(self._threads) > 1 and cpu.has_turn:
            words.append("has its turn")
        with looking_at(self._debugger, thread):
            task = self._running()
        return [*words, f"{task.name} ({task.pid})"] if task is not None else words
