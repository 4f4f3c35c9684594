"""One CPU of a standing guest: its mode, its ring, its registers by their own names. Everybody who looks asks here."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.machine.machine import Machine
from vmdbg.units import Linear
from vmdbg.x86.mode import SEGMENT_DEFAULT_BIG, CpuMode, Width, cpu_mode, privilege_level

_ALL = (1 << 64) - 1


class Cpu:
    """The CPU as it stands between two instructions. Nothing here changes it. Values are unsigned."""

    def __init__(self, machine: Machine, number: int = 0) -> None:
        self._machine = machine
        self._engine = machine.engine
        self.number = number
        self._pseudo: dict[str, Callable[[], int]] = {
            "tick": lambda: machine.clock,
            "linear_pc": lambda: self.linear_pc,
            "linear_sp": lambda: self.linear_sp,
            "cpl": lambda: self.ring,
            "cr8": lambda: machine.bus.read_task_priority(machine.clock),
            "tsc": lambda: machine.clock + self._engine.read_register("tsc_offset") & _ALL,
        }
        self.names = frozenset(self._engine.register_names) | self._pseudo.keys()
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

    @property
    def halted(self) -> bool:
        return self._machine.halted

    def read(self, name: str) -> int:
        """By the engine's name or a pseudo-register's. Raises KeyError for one that is not in `names`."""
        derived = self._pseudo.get(name)
        return derived() if derived is not None else self._engine.read_register(name)

    def reader(self, name: str) -> Callable[[], int]:
        """What reads that register again and again, as fast as it can be done. Raises KeyError."""
        return self._pseudo.get(name) or self._engine.register_reader(name)

    def is_pseudo(self, name: str) -> bool:
        """Whether it follows from other state, and so cannot be written."""
        return name in self._pseudo
