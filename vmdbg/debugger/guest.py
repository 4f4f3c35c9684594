"""The standing guest: its CPU, its memory, where it is in time. Whoever looks at it, or changes it, asks here."""

from __future__ import annotations

from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.memory import GuestPhysicalMemory, linear_memory
from vmdbg.engine.port import Engine
from vmdbg.machine.inputs import RegisterWrite
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Physical
from vmdbg.x86.linear_memory import LinearMemory

Epoch = tuple[int, Position]


class Guest:
    """A machine with its history, as it stands between two runs."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.cpu = Cpu(timeline.machine)
        self.physical = GuestPhysicalMemory(timeline.machine.engine, timeline)
        self._changes = 0
        self._linear: tuple[Epoch, LinearMemory] | None = None

    @property
    def machine(self) -> Machine:
        return self.timeline.machine

    @property
    def engine(self) -> Engine:
        return self.timeline.machine.engine

    @property
    def position(self) -> Position:
        return self.timeline.position

    @property
    def pc(self) -> Linear:
        """cs.base + rip: where the next instruction is fetched."""
        return self.engine.linear_pc

    @property
    def epoch(self) -> Epoch:
        """As long as it stays equal, so does all that can be seen of the guest."""
        return self._changes, self.position

    def linear(self, cr3: int | None = None) -> LinearMemory:
        """Linear memory as the stopped CPU sees it, or as another CR3 would have it."""
        if cr3 is not None:
            return linear_memory(self.engine, self.physical, cr3)
        epoch = self.epoch
        if self._linear is None or self._linear[0] != epoch:
            self._linear = (epoch, linear_memory(self.engine, self.physical))
        return self._linear[1]

    def write_register(self, name: str, value: int) -> None:
        """A recorded input. Raises KeyError for an unknown name, UserError in the past."""
        if name not in self.engine.register_names:
            raise KeyError(name)
        self._changes += 1
        self.timeline.push(RegisterWrite(name, value))

    def write_linear(self, address: Linear, data: bytes) -> None:
        """All or nothing. Raises UnmappedLinearError, or UserError in the past."""
        self._changes += 1
        self.linear().write(address, data)
        self._changes += 1

    def write_physical(self, address: Physical, data: bytes) -> None:
        """All or nothing. Raises UnmappedPhysicalError, or UserError in the past."""
        self._changes += 1
        self.physical.write(address, data)
