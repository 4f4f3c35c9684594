"""The CPUs as Linux numbers them, and which of the machine's is which.

Each CPU has a GDT of its own, in its per-CPU data, whatever ring it is in (arch/x86/kernel/cpu/common.c, `gdt_page`):
what GDTR points to is one of them, through one mapping or another.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from vmdbg.c.types import NoSuchTypeError
from vmdbg.errors import UserError
from vmdbg.os.linux.stacks import entry_area
from vmdbg.os.linux.symbols import NoSuchSymbolError
from vmdbg.os.seam import CpuView, NotThereYetError
from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_CPUS = 8192
"""The largest NR_CPUS there is (arch/x86/Kconfig)."""
_UNTYPED_MASK = 8


class Processors:
    """Of one kernel at one instant."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    @cached_property
    def online(self) -> tuple[int, ...]:
        """Those that Linux uses; the first alone before it has counted them."""
        return self._mask("__cpu_online_mask")

    @cached_property
    def possible(self) -> tuple[int, ...]:
        """Those that have per-CPU data."""
        return self._mask("__cpu_possible_mask")

    def _mask(self, name: str) -> tuple[int, ...]:
        kernel = self._kernel
        try:
            size = kernel.type("struct cpumask").size
        except NoSuchTypeError:
            size = _UNTYPED_MASK
        try:
            bits = int.from_bytes(kernel.read(kernel.symbol(name), min(size, MAX_CPUS // 8)), "little")
        except (NoSuchSymbolError, UnmappedLinearError):
            bits = 0
        return tuple(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1) or (0,)

    @cached_property
    def _by_table(self) -> dict[int, int]:
        """Linux's numbers by the physical addresses of the GDTs."""
        found: dict[int, int] = {}
        for cpu in self.possible:
            try:
                physical = self._kernel.memory.translate(self._kernel.per_cpu_address("gdt_page", cpu))
            except (NoSuchSymbolError, UnmappedLinearError):
                continue
            if physical is not None:
                found.setdefault(physical, cpu)
        return found

    def number(self, cpu: CpuView) -> int | None:
        """Linux's number of a CPU of the machine; None for one on which it does not run, or not yet."""
        if len(self._kernel.view.cpus) == 1:
            return 0
        physical = self._kernel.memory.translate(cpu.register("gdtr_base"))
        return None if physical is None else self._by_table.get(physical)

    @cached_property
    def here(self) -> int | None:
        """The one that is looked at."""
        return self.number(self._kernel.view)

    @cached_property
    def views(self) -> dict[int, CpuView]:
        """Of those that are online, where the machine's CPU is known."""
        found: dict[int, CpuView] = {}
        for cpu in self._kernel.view.cpus:
            number = self.number(cpu)
            if number is not None and number in self.online:
                found.setdefault(number, cpu)
        return found

    def table(self, cpu: int) -> int:
        """The linear address of a CPU's GDT from then on when all is set up. Raises `NotThereYetError` before."""
        area = entry_area(self._kernel, cpu)
        if not area:
            raise NotThereYetError("per-CPU data")
        return area + self._kernel.type("struct cpu_entry_area").offset_of("gdt")

    def checked(self, cpu: int) -> int:
        """Raises `UserError` for what is no CPU's number."""
        if cpu not in self.possible:
            raise UserError(f"Linux has no CPU {cpu}: there are {ranges(self.possible)}")
        return cpu


def ranges(numbers: tuple[int, ...]) -> str:
    """Ascending numbers as /sys/devices/system/cpu/online has them: `0-3,6`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in parts)
