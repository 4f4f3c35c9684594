"""Tasks that are on no CPU, as threads of the client: to be looked at, for what they wait for."""

from __future__ import annotations

from collections.abc import Sequence

from dapstub import values
from dapstub.errors import TargetError
from vmdbg.document.printable import printable
from vmdbg.errors import VmdbgError
from vmdbg.os.seam import FrameKind, Task
from vmdbg.session.moments import Moment
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame

FIRST_TASK = 1000
"""The number of a task's thread is this and its own; those of CPUs are below."""
MOST = 4096
"""Tasks shown as threads."""


class SleepingTasks:
    """Of a session, where the client asks for them (`tasks` of launch and attach)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.enabled = False
        self._moment: Moment | None = None
        self._frames: dict[int, Sequence[SourceFrame]] = {}

    def threads(self) -> Sequence[values.Thread]:
        """Empty where the guest has no system that is known, or runs."""
        if not self.enabled or self._session.debugger.running:
            return ()
        try:
            tasks = self._sleeping()
        except VmdbgError:
            return ()
        return [values.Thread(FIRST_TASK + task.pid, _name(task)) for task in tasks[:MOST]]

    def is_task(self, thread: int) -> bool:
        return self.enabled and thread >= FIRST_TASK

    def of_thread(self, thread: int) -> int:
        """Which task it is. Raises TargetError, VmdbgError."""
        pid = thread - FIRST_TASK
        if not any(task.pid == pid for task in self._sleeping()):
            raise TargetError(f"the task {pid} is on a CPU now, or is no more")
        return pid

    def frames(self, pid: int) -> Sequence[SourceFrame]:
        """Its stack, read at this instant. Raises VmdbgError."""
        moment = self._session.moments.now
        if moment != self._moment:
            self._moment = moment
            self._frames.clear()
        if pid not in self._frames:
            self._frames[pid] = self._read(pid)
        return self._frames[pid]

    def _read(self, pid: int) -> Sequence[SourceFrame]:
        system = self._session.system.need()
        task = next((one for one in self._sleeping() if one.pid == pid), None)
        found = system.backtrace(task).frames if task is not None else ()
        end = next((index for index, one in enumerate(found) if one.kind is FrameKind.USER), len(found))
        rows = list(self._session.frames.expanded(found[:end]))
        outer = [SourceFrame(len(rows) + number, frame) for number, frame in enumerate(found[end:])]
        return [*rows, *outer]  # the process's own code is in another address space than that which is looked at

    def _sleeping(self) -> Sequence[Task]:
        return [task for task in self._session.system.need().tasks() if task.pid and not task.is_running]


def _name(task: Task) -> str:
    name = f"[{task.name}]" if task.is_kernel else task.name
    return printable(f"{task.pid} {name} ({task.state})")
