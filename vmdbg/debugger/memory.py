"""Guest memory as a debugger sees it: nothing read here sets A or D bits or touches the TLB."""

from __future__ import annotations

from typing import Protocol

from vmdbg.engine.inspection import Inspection
from vmdbg.engine.memory import PhysicalMemory, blocks, stretches
from vmdbg.machine.inputs import Input, MemoryWrite
from vmdbg.units import Physical
from vmdbg.x86.linear_memory import LinearMemory
from vmdbg.x86.paging import CR4_PAE, CR4_PKE, Paging
from vmdbg.x86.physical_memory import UnmappedPhysicalError

PSE36_BITS = 40
"""Of physical addresses that the engine takes in entries of 4 MiB pages, whatever the model."""


class InputSink(Protocol):
    """Who takes the debugger's changes: they are inputs like any other."""

    def push(self, data: Input) -> None:
        """Raises UserError where the past is fixed."""
        ...


class GuestPhysicalMemory:
    """What memory the guest finds (x86.memory_search.BlockMemory). Writes are recorded inputs."""

    def __init__(self, engine: PhysicalMemory, inputs: InputSink) -> None:
        self._engine = engine
        self._inputs = inputs

    @property
    def size(self) -> int:
        """Bytes of RAM."""
        return self._engine.ram_size

    def blocks(self) -> list[tuple[Physical, memoryview]]:
        """What can be read, by rising address."""
        return blocks(self._engine)

    def extent(self, address: Physical) -> int:
        """How many bytes from `address` on are memory without a gap; 0 or less if none is."""
        end = address
        for start, stop, _ in stretches(self._engine.regions):
            if start <= end < stop:
                end = Physical(stop)
        return end - address

    def read(self, address: Physical, size: int) -> bytes:
        if not self._engine.is_readable(address, size):
            raise UnmappedPhysicalError(address, size)
        return self._engine.read_physical(address, size)

    def write(self, address: Physical, data: bytes) -> None:
        if not self._engine.is_writable(address, len(data)):
            raise UnmappedPhysicalError(address, len(data))
        self._inputs.push(MemoryWrite(address, bytes(data)))


def paging_of(engine: Inspection, cr3: int | None = None) -> Paging:
    """How the CPU translates now, or would with another CR3."""
    lines = engine.address_lines
    cr0, own, cr4, efer = engine.read_registers(("cr0", "cr3", "cr4", "efer"))
    return Paging(
        cr0,
        own if cr3 is None else cr3,
        cr4,
        efer,
        lines.physical_bits if cr4 & CR4_PAE else PSE36_BITS,
        lines.gigabyte_pages,
        engine.read_register("pkru") if cr4 & CR4_PKE and "pkru" in engine.register_names else 0,
        lines.a20,
    )


def linear_memory(engine: Inspection, physical: GuestPhysicalMemory, cr3: int | None = None) -> LinearMemory:
    """Linear memory of the current or another address space. Good until the guest runs."""
    return LinearMemory(physical, paging_of(engine, cr3))
