"""The engine port: what the machine asks of whatever runs guest code.

A group of ports: whoever needs a part asks for that part. CPUs that run in turns, their one clock and memory. The clock
counts ticks, which are bytes of guest code retired. What is asked of a CPU is asked of the selected one. Whatever is
asked of an engine between runs, except writing state, leaves the guest's future as it was.
"""

from __future__ import annotations

from typing import Protocol

from vmdbg.engine.inspection import Inspection
from vmdbg.engine.interrupts import InterruptHelper, Rescheduled
from vmdbg.engine.memory import PhysicalMemory
from vmdbg.engine.processor import Processor, Processors
from vmdbg.engine.shared_ports import PortHelper
from vmdbg.engine.shared_vga import VgaHelper
from vmdbg.engine.stop_control import StopControl
from vmdbg.engine.touches import TouchTracking


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

    def read_msr(self, msr: int, now: int) -> int | None:
        """One of the local APIC's in x2APIC mode; None raises #GP(0)."""
        ...

    def write_msr(self, msr: int, value: int, now: int) -> bool:
        """One of those, or IA32_APIC_BASE, which the engine keeps; False raises #GP(0)."""
        ...

    def coprocessor_error(self, cpu: int, now: int) -> None:
        """A CPU drives FERR#: it halts before an instruction that waits for its x87 (SDM 1 8.7.2)."""
        ...

    def interrupts_moved(self, cpu: int, scheduled: int, timer: Rescheduled, out0: Rescheduled, intr: bool) -> None:
        """The engine did what is InterruptHelper's, and calls this before anything else of the bus, for each CPU.

        `timer` is its local APIC's; `intr` is what the controllers drive its INTR to. Of the calls that come together
        the last says that deadlines have been set `scheduled` times in all, the others say 0.
        """
        ...


class Engine(
    Processor,
    Processors,
    PhysicalMemory,
    Inspection,
    StopControl,
    InterruptHelper,
    PortHelper,
    VgaHelper,
    TouchTracking,
    Protocol,
):
    """x86 CPUs over `ram_size` bytes of RAM from physical address 0."""

    def close(self) -> None: ...
