"""The guest's memory where a scan stands."""

from __future__ import annotations

from vmdbg.debugger.memory import paging_of
from vmdbg.engine.port import Engine
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Physical
from vmdbg.x86.linear_memory import LinearMemory, UnmappedLinearError
from vmdbg.x86.physical_memory import UnmappedPhysicalError


class Ram:
    """x86.physical_memory.PhysicalMemory that cannot be written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, address: Physical, size: int) -> bytes:
        if not self._engine.is_readable(address, size):
            raise UnmappedPhysicalError(address, size)
        return self._engine.read_physical(address, size)

    def write(self, address: Physical, data: bytes) -> None:
        raise UnmappedPhysicalError(address, len(data))


def linear_memory(timeline: Timeline) -> LinearMemory:
    """As the CPU sees it now."""
    engine = timeline.machine.engine
    return LinearMemory(Ram(engine), paging_of(engine))


def read_integer(timeline: Timeline, address: int, size: int) -> int:
    """What lies at a linear address; 0 where nothing does."""
    data = timeline.machine.engine.read_linear(Linear(address), size)
    if len(data) == size:
        return int.from_bytes(data, "little")
    try:
        return int.from_bytes(linear_memory(timeline).read(Linear(address), size), "little")
    except UnmappedLinearError:
        return 0
