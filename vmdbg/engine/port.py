"""The engine port: what the machine asks of whatever runs guest code.

A group of ports: whoever needs a part asks for that part. One CPU, its clock and its memory. The clock counts ticks,
which are bytes of guest code retired. Whatever is asked of an engine between runs, except writing state, leaves the
guest's future as it was.
"""

from __future__ import annotations

from typing import Protocol

from vmdbg.engine.inspection import Inspection
from vmdbg.engine.local_apic import LocalApicHelper
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.engine.processor import Processor
from vmdbg.engine.stop_control import StopControl


class Bus(Protocol):
    """What the engine calls while code runs. `now` is the tick of the accessing instruction.

    Values are unsigned and little-endian; sizes are 1, 2, 4 or 8 bytes.
    """

    def port_read(self, port: int, size: int, now: int) -> int: ...

    def port_write(self, port: int, size: int, value: int, now: int) -> None: ...

    def memory_read(self, address: int, size: int, now: int) -> int: ...

    def memory_write(self, address: int, size: int, value: int, now: int) -> None: ...

    def acknowledge(self, now: int) -> int:
        """The vector of the interrupt to deliver, -1 for none."""
        ...

    def read_task_priority(self, now: int) -> int: ...

    def write_task_priority(self, value: int, now: int) -> None: ...

    def local_apic_moved(self, scheduled: int, due: int | None, intr: bool) -> None:
        """The engine did what is attach_local_apic()'s, and calls this before anything else of the bus.

        The timer's deadline has been set `scheduled` times and is now `due`; `intr` is what the APIC drives.
        """
        ...


class Engine(Processor, PhysicalMemory, Inspection, StopControl, LocalApicHelper, Protocol):
    """One x86 CPU over `ram_size` bytes of RAM from physical address 0."""

    def close(self) -> None: ...
