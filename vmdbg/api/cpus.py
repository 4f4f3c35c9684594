"""The CPUs of a standing guest, one by one."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.api.frames import Frame
from vmdbg.api.memory import Memory
from vmdbg.api.registers import Registers
from vmdbg.debugger.registers import RegisterFile
from vmdbg.os.seam import Task
from vmdbg.session.session import Session
from vmdbg.units import CpuId, Linear
from vmdbg.x86.mode import CpuMode


class Cpu:
    """`guest.cpus[1]`, whichever is looked at. What is read leaves no trace; what is written is a recorded input."""

    def __init__(self, session: Session, number: CpuId, address_of: Callable[[int | str], int]) -> None:
        debugger = session.debugger
        self._session = session
        self._cpu = debugger.cpus[number]
        self.number = number
        """From 0 on, as the guest's tables list them."""
        self.registers = Registers(RegisterFile(self._cpu), self._write)
        self.memory = Memory(self._read_linear, self._write_linear, address_of)
        """Linear memory as this CPU's page tables have it."""

    def _write(self, name: str, value: int) -> None:
        with self._session.debugger.of(self.number):
            self._session.debugger.write_register(name, value)

    def _read_linear(self, address: int, size: int) -> bytes:
        with self._session.debugger.of(self.number):
            return self._session.debugger.linear().read(Linear(address), size)

    def _write_linear(self, address: int, data: bytes) -> None:
        with self._session.debugger.of(self.number):
            self._session.debugger.write_linear(Linear(address), data)

    @property
    def pc(self) -> Linear:
        """The linear address of its next instruction."""
        return self._cpu.linear_pc

    @property
    def ring(self) -> int:
        return self._cpu.ring

    @property
    def mode(self) -> CpuMode:
        return self._cpu.mode

    @property
    def has_turn(self) -> bool:
        """Whether it runs next."""
        return self._cpu.has_turn

    @property
    def halted(self) -> bool:
        """Whether it stands after a HLT."""
        return self._cpu.halted

    @property
    def waits_to_be_started(self) -> bool:
        """Whether no start-up message has come to it yet."""
        return self._cpu.waits_for_sipi

    @property
    def frames(self) -> list[Frame]:
        """The call stack of what it executes, the innermost first, good until the guest moves."""
        with self._session.debugger.of(self.number):
            return [Frame(self._session, row) for row in self._session.frames.all()]

    @property
    def task(self) -> Task | None:
        """What the guest's system has it run; None where that cannot be told."""
        with self._session.debugger.of(self.number):
            return self._session.system.task()

    def look_at(self) -> None:
        """Have registers, memory, frames and steps of the guest be this CPU's, until the guest has moved."""
        self._session.debugger.look_at(self.number)
        self._session.frames.select(0)

    def __repr__(self) -> str:
        return f"<CPU {self.number} at {self.pc:#x}>"
