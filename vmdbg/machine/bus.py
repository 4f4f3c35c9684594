"""What the running CPU reaches: ports, memory outside RAM, the interrupt controllers.

An access is made by code that runs: what it schedules comes LATENCY ticks later or after that, for no block is longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from devices.scheduler import Scheduler
from vmdbg.engine.interrupts import Rescheduled
from vmdbg.machine.cpu_lines import LATENCY
from vmdbg.machine.pc import Pc
from vmdbg.units import BOOT_CPU


class Moved(Protocol):
    """Who is told what the engine did of the work of timers and interrupt controllers."""

    def moved(self, cpu: int, scheduled: int, timer: Rescheduled, out0: Rescheduled, intr: bool) -> None: ...


class MachineBus:
    """The engine's Bus (`vmdbg.engine.port`) over the devices of a board."""

    def __init__(self, scheduler: Scheduler, pc: Pc) -> None:
        self._scheduler = scheduler
        self._pc = pc
        self._acknowledge = pc.acknowledge
        self._ports, self._memory = pc.ports, pc.memory
        self.on_interrupt: Callable[[int, int], None] | None = None
        """Called with the vector and the tick of each external interrupt, before it is delivered."""
        self.interrupts: Moved | None = None
        """Set before the engine runs."""

    @property
    def access_tick(self) -> int:
        """Of the access that goes on."""
        return self._scheduler.not_before - LATENCY

    @property
    def is_observed(self) -> bool:
        """Whether somebody looks at acknowledges or accesses."""
        return self.on_interrupt is not None or self._memory.tracer is not None or self._ports.tracer is not None

    def port_read(self, port: int, size: int, now: int) -> int:
        self._scheduler.not_before = now + LATENCY
        return self._ports.read(port, size, now)

    def port_write(self, port: int, size: int, value: int, now: int) -> None:
        self._scheduler.not_before = now + LATENCY
        self._ports.write(port, size, value, now)

    def memory_read(self, address: int, size: int, now: int) -> int:
        self._scheduler.not_before = now + LATENCY
        return self._memory.read(address, size, now)

    def memory_write(self, address: int, size: int, value: int, now: int) -> None:
        self._scheduler.not_before = now + LATENCY
        self._memory.write(address, size, value, now)

    def acknowledge(self, now: int) -> int:
        self._scheduler.not_before = now + LATENCY
        vector = self._acknowledge()
        if self.on_interrupt is not None and vector >= 0:
            self.on_interrupt(vector, now)
        return vector

    def read_task_priority(self, now: int) -> int:
        lapic = self._pc.lapic
        return lapic.tpr >> 4 if lapic is not None else 0

    def write_task_priority(self, value: int, now: int) -> None:
        self._scheduler.not_before = now + LATENCY
        lapic = self._pc.lapic
        if lapic is not None:
            lapic.set_tpr(value << 4)

    def read_msr(self, msr: int, now: int) -> int | None:
        return self._pc.read_msr(msr, now)

    def write_msr(self, msr: int, value: int, now: int) -> bool:
        self._scheduler.not_before = now + LATENCY
        return self._pc.write_msr(msr, value, now)

    def coprocessor_error(self, cpu: int, now: int) -> None:
        """FERR# of the boot CPU alone is wired on a PC: systems for several CPUs set CR0.NE."""
        self._scheduler.not_before = now + LATENCY
        if cpu == BOOT_CPU:
            self._pc.coprocessor.ferr.set(True)

    def interrupts_moved(self, cpu: int, scheduled: int, timer: Rescheduled, out0: Rescheduled, intr: bool) -> None:
        if self.interrupts is not None:
            self.interrupts.moved(cpu, scheduled, timer, out0, intr)
