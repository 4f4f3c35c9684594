"""A CPU of a standing guest: its mode, its ring, its registers by their own names. Everybody who looks asks here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from vmdbg.engine.port import Engine
from vmdbg.machine.cpu_start import selected
from vmdbg.machine.machine import Machine
from vmdbg.units import CpuId, Linear
from vmdbg.x86.mode import SEGMENT_DEFAULT_BIG, CpuMode, Width, cpu_mode, privilege_level

_ALL = (1 << 64) - 1


class RegisterFile(Protocol):
    """Where a CPU's registers are read: engine.inspection.Inspection says how."""

    def read_register(self, name: str) -> int: ...

    def read_registers(self, names: Iterable[str]) -> list[int]: ...

    def register_reader(self, name: str) -> Callable[[], int]: ...

    @property
    def linear_pc(self) -> Linear: ...


class OneOfSeveral:
    """A RegisterFile: that of one CPU, whichever is looked at."""

    def __init__(self, engine: Engine, cpu: CpuId) -> None:
        self._engine = engine
        self._cpu = cpu

    def read_register(self, name: str) -> int:
        with selected(self._engine, self._cpu):
            return self._engine.read_register(name)

    def read_registers(self, names: Iterable[str]) -> list[int]:
        with selected(self._engine, self._cpu):
            return self._engine.read_registers(names)

    def register_reader(self, name: str) -> Callable[[], int]:
        self.read_register(name)
        return lambda: self.read_register(name)

    @property
    def linear_pc(self) -> Linear:
        with selected(self._engine, self._cpu):
            return self._engine.linear_pc


class Cpu:
    """A CPU as it stands between two instructions. Nothing here changes it. Values are unsigned."""

    def __init__(self, machine: Machine, number: CpuId | None = None) -> None:
        """The one of that number; without it, always the one that is looked at."""
        self._machine = machine
        self._number = number
        several = len(machine.engine.cpus) > 1
        self._engine: RegisterFile = machine.engine
        if number is not None and several:
            self._engine = OneOfSeveral(machine.engine, number)
        self._pseudo: dict[str, Callable[[], int]] = {
            "tick": lambda: machine.clock,
            "linear_pc": lambda: self.linear_pc,
            "linear_sp": lambda: self.linear_sp,
            "cpl": lambda: self.ring,
            "cpu": lambda: self.number,
            "cr8": self._task_priority,
            "tsc": lambda: machine.clock + self._engine.read_register("tsc_offset") & _ALL,
        }
        self.names = frozenset(machine.engine.register_names) | self._pseudo.keys()
        """What read() knows: the engine's registers, and those that follow from other state."""

    @property
    def linear_pc(self) -> Linear:
        """cs.base + rip: where the next instruction is fetched."""
        return self._engine.linear_pc

    @property
    def code_base(self) -> int:
        """What is added to rip: cs.base, 0 in 64-bit mode."""
        return 0 if self.mode is CpuMode.LONG64 else self._engine.read_register("cs_base")

    @property
    def linear_sp(self) -> Linear:
        """ss.base + sp, esp or rsp, by the width of the stack segment."""
        rsp = self._engine.read_register("rsp")
        return Linear(self.stack_base + (rsp & self.stack_mask) & (_ALL if self.mode is CpuMode.LONG64 else 0xFFFFFFFF))

    @property
    def stack_base(self) -> int:
        """What is added to sp, esp or rsp, and bp's kin: ss.base, 0 in 64-bit mode."""
        return 0 if self.mode is CpuMode.LONG64 else self._engine.read_register("ss_base")

    @property
    def stack_mask(self) -> int:
        """The bits of rsp that count, by the width of the stack segment (SDM 3A 3.4.5, flag B)."""
        if self.mode is CpuMode.LONG64:
            return _ALL
        return 0xFFFFFFFF if self._engine.read_register("ss_flags") & SEGMENT_DEFAULT_BIG else 0xFFFF

    @property
    def mode(self) -> CpuMode:
        return cpu_mode(*self._engine.read_registers(("cr0", "efer", "rflags", "cs_flags")))

    @property
    def width(self) -> Width:
        """Of the code that runs."""
        return self.mode.width

    @property
    def ring(self) -> int:
        """CPL."""
        return privilege_level(*self._engine.read_registers(("cr0", "rflags", "ss_flags")))

    def _task_priority(self) -> int:
        with selected(self._machine.engine, self.number):
            return self._machine.bus.read_task_priority(self._machine.clock)

    @property
    def number(self) -> CpuId:
        return self._number if self._number is not None else self._machine.engine.selected

    @property
    def halted(self) -> bool:
        """Whether it stands after a HLT."""
        return self._machine.engine.cpus[self.number].halted

    @property
    def waits_for_sipi(self) -> bool:
        """Whether it runs nothing until another starts it."""
        return self._machine.engine.cpus[self.number].waits_for_sipi

    @property
    def has_turn(self) -> bool:
        """Whether it is its turn: it runs next."""
        return self._machine.cpus.turns.current == self.number

    def read(self, name: str) -> int:
        """By the engine's name or a pseudo-register's. Raises KeyError for one that is not in `names`."""
        derived = self._pseudo.get(name)
        return derived() if derived is not None else self._engine.read_register(name)

    def read_several(self, names: Sequence[str]) -> dict[str, int]:
        """Of the engine's registers, at little more than the price of one. Raises KeyError."""
        return dict(zip(names, self._engine.read_registers(names), strict=True))

    def reader(self, name: str) -> Callable[[], int]:
        """What reads that register again and again, as fast as it can be done. Raises KeyError."""
        return self._pseudo.get(name) or self._engine.register_reader(name)

    def is_pseudo(self, name: str) -> bool:
        """Whether it follows from other state, and so cannot be written."""
        return name in self._pseudo
