"""Guest memory as a debugger sees it: nothing read here sets A or D bits or touches the TLB."""

from __future__ import annotations

from typing import Protocol

from vmdbg.engine.inspection import Inspection
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.machine.inputs import Input, MemoryWrite
from vmdbg.units import Physical
from vmdbg.x86.linear_memory import LinearMemory
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import UnmappedPhysicalError


class InputSink(Protocol):
    """Who takes the debugger's changes: they are inputs like any other."""

    def push(self, data: Input) -> None:
        """Raises UserError where the past is fixed."""
        ...


class GuestPhysicalMemory:
    """RAM and ROM by physical address (x86.memory_search.BlockMemory). Writes are recorded inputs."""

    def __init__(self, engine: PhysicalMemory, inputs: InputSink) -> None:
        self._engine = engine
        self._ram = engine.ram
        self._inputs = inputs

    @property
    def size(self) -> int:
        """Bytes of RAM."""
        return self._engine.ram_size

    def blocks(self) -> list[tuple[Physical, memoryview]]:
        """RAM, and what of ROMs lies behind it."""
        found, end = [(Physical(0), self._ram)], len(self._ram)
        for base, data in sorted(self._engine.roms.items()):
            hidden = max(0, end - base)
            if hidden < len(data):
                found.append((Physical(base + hidden), data[hidden:]))
                end = base + len(data)
        return found

    def extent(self, address: Physical) -> int:
        """How many bytes from `address` on are memory without a gap; 0 or less if none is."""
        found = self._find(address)
        return found[0] + len(found[1]) - address if found is not None else 0

    def _find(self, address: Physical) -> tuple[int, memoryview] | None:
        if 0 <= address < len(self._ram):
            return 0, self._ram
        for base, data in self._engine.roms.items():
            if base <= address < base + len(data):
                return base, data
        return None

    def read(self, address: Physical, size: int) -> bytes:
        if 0 <= address <= address + size <= len(self._ram):
            return bytes(self._ram[address : address + size])
        found = self._find(address)
        if found is None or address + size > found[0] + len(found[1]):
            raise UnmappedPhysicalError(address, size)
        start = address - found[0]
        return bytes(found[1][start : start + size])

    def write(self, address: Physical, data: bytes) -> None:
        if not 0 <= address <= address + len(data) <= len(self._ram):
            raise UnmappedPhysicalError(address, len(data))
        self._inputs.push(MemoryWrite(address, bytes(data)))


def paging_of(engine: Inspection, cr3: int | None = None) -> Paging:
    """How the CPU translates now, or would with another CR3."""
    read = engine.read_register
    return Paging(read("cr0"), read("cr3") if cr3 is None else cr3, read("cr4"), read("efer"))


def linear_memory(engine: Inspection, physical: GuestPhysicalMemory, cr3: int | None = None) -> LinearMemory:
    """Linear memory of the current or another address space. Good until the guest runs."""
    return LinearMemory(physical, paging_of(engine, cr3))
