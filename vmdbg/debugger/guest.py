"""The standing guest: its CPUs, its memory, where it is in time. Whoever looks at it, or changes it, asks here.

One of the CPUs is looked at: registers, linear memory and the program counter are its. Which one is no state of the
guest. Each stop comes with the one that came to it; the user may look at another.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.memory import GuestPhysicalMemory, linear_memory
from vmdbg.engine.port import Engine
from vmdbg.errors import UserError
from vmdbg.machine.cpu_start import selected
from vmdbg.machine.inputs import RegisterWrite
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Linear, Physical
from vmdbg.x86.linear_memory import LinearMemory

Epoch = tuple[int, Position]


class Guest:
    """A machine with its history, as it stands between two runs."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.machine: Machine = timeline.machine
        self.engine: Engine = timeline.machine.engine
        self._phase = timeline.machine.cpus.phase
        self.cpu = Cpu(timeline.machine)
        """The one that is looked at."""
        self.cpus = tuple(Cpu(timeline.machine, CpuId(number)) for number in range(len(timeline.machine.engine.cpus)))
        self.physical = GuestPhysicalMemory(timeline.machine.engine, timeline)
        self._changes = 0
        self._linear: tuple[tuple[Epoch, CpuId], LinearMemory] | None = None

    @property
    def position(self) -> Position:
        return self._phase.position

    def look_at(self, cpu: CpuId) -> None:
        """Registers and linear memory are that CPU's from now on, until the guest has moved. Raises UserError."""
        if not 0 <= cpu < len(self.cpus):
            raise UserError(f"there is no CPU {cpu}: the guest has {len(self.cpus)}, from 0 on")
        if len(self.cpus) > 1:
            self.engine.select(cpu)

    def of(self, cpu: CpuId) -> AbstractContextManager[None]:
        """That CPU is looked at, and after that again the one that was before."""
        return selected(self.engine, cpu)

    @property
    def pc(self) -> Linear:
        """cs.base + rip: where the next instruction is fetched."""
        return self.engine.linear_pc

    @property
    def epoch(self) -> Epoch:
        """As long as it stays equal, so does all that can be seen of the guest."""
        return self._changes, self._phase.position

    def linear(self, cr3: int | None = None) -> LinearMemory:
        """Linear memory as the CPU that is looked at sees it, or as another CR3 would have it."""
        if cr3 is not None:
            return linear_memory(self.engine, self.physical, cr3)
        seen = self.epoch, self.engine.selected
        if self._linear is None or self._linear[0] != seen:
            self._linear = (seen, linear_memory(self.engine, self.physical))
        return self._linear[1]

    def write_register(self, name: str, value: int) -> None:
        """Of the CPU looked at: a recorded input. Raises KeyError for an unknown name, UserError in the past."""
        if name not in self.engine.register_names:
            raise KeyError(name)
        self.timeline.push(RegisterWrite(name, value, self.engine.selected))
        self._changes += 1

    def write_linear(self, address: Linear, data: bytes) -> None:
        """All or nothing. Raises UnmappedLinearError, or UserError in the past."""
        self.linear().write(address, data)
        self._changes += 1

    def write_physical(self, address: Physical, data: bytes) -> None:
        """All or nothing. Raises UnmappedPhysicalError, or UserError in the past."""
        self.physical.write(address, data)
        self._changes += 1
