"""Looking at a frame of a CPU, as the client names it, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dapstub.errors import TargetError
from vmdbg.dap.references import References
from vmdbg.session.session import Session
from vmdbg.units import CpuId


def cpu_of(session: Session, thread: int) -> CpuId:
    """Threads are CPUs, numbered from 1; 0 is the one that is looked at. Raises TargetError."""
    if thread == 0:
        return session.debugger.engine.selected
    if not 1 <= thread <= len(session.debugger.cpus):
        raise TargetError(f"there is no thread {thread}: threads are CPUs, 1 to {len(session.debugger.cpus)}")
    return CpuId(thread - 1)


@contextmanager
def looking_at(session: Session, references: References, frame: int | None) -> Iterator[None]:
    """Inside, expressions are of that frame; None: of where the CPU stands. Raises TargetError."""
    if frame is None:
        yield
        return
    key = references.frame(frame)
    with session.debugger.of(key.cpu):
        before = session.frames.selected_number
        session.frames.select(key.number)
        try:
            yield
        finally:
            session.frames.select(before)
