"""Looking at a frame of a CPU or a task, as the client names it, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dapstub.errors import TargetError
from vmdbg.dap.references import FrameKey, References
from vmdbg.dap.tasks import FIRST_TASK, SleepingTasks
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame
from vmdbg.units import CpuId


def cpu_of(session: Session, thread: int) -> CpuId:
    """Threads are CPUs, numbered from 1; 0 is the one that is looked at. Raises TargetError."""
    if thread == 0:
        return session.debugger.engine.selected
    if thread >= FIRST_TASK and session.part(SleepingTasks).enabled:
        raise TargetError("a task that is on no CPU cannot be stepped: what it waits for, the guest does; step a CPU")
    if not 1 <= thread <= len(session.debugger.cpus):
        raise TargetError(f"there is no thread {thread}: threads are CPUs, 1 to {len(session.debugger.cpus)}")
    return CpuId(thread - 1)


@contextmanager
def frame_of(session: Session, key: FrameKey) -> Iterator[SourceFrame]:
    """A frame that the client was shown; inside, its CPU is looked at. Raises TargetError, VmdbgError."""
    with session.debugger.of(key.cpu):
        frames = session.frames.all() if key.task is None else session.part(SleepingTasks).frames(key.task)
        if key.number >= len(frames):
            raise TargetError(f"there is no frame {key.number} any more")
        yield frames[key.number]


@contextmanager
def looking_at(session: Session, references: References, frame: int | None) -> Iterator[None]:
    """Inside, expressions are of that frame; None: of where the CPU stands. Raises TargetError."""
    if frame is None:
        yield
        return
    with looking_at_key(session, references.frame(frame)):
        yield


@contextmanager
def looking_at_key(session: Session, key: FrameKey) -> Iterator[None]:
    """As looking_at()."""
    if key.task is not None:
        raise TargetError("expressions are of CPUs: of a task that is on none, only its variables are shown")
    with session.debugger.of(key.cpu):
        before = session.frames.selected_number
        session.frames.select(key.number)
        try:
            yield
        finally:
            session.frames.select(before)
