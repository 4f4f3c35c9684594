"""What evaluating and unwinding need of the guest: memory, and the registers of one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from vmdbg.c.content import NotAvailableError


class ReadMemory(Protocol):
    """Linear memory of the guest as it stands."""

    def __call__(self, address: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises VmdbgError."""
        ...


class CallerRegisters(dict[str, int]):
    """What is known of a caller's registers by name.

    `unchanged` are those that a call may change and that nobody has saved: they have these values still if nothing
    that was called has touched them, which is so where the compiler says that the caller counts on it.
    """

    def __init__(self, known: Mapping[str, int], unchanged: Mapping[str, int]) -> None:
        super().__init__(known)
        self.unchanged = dict(unchanged)


@dataclass(frozen=True, slots=True)
class Machine:
    """One frame: its registers by name as far as they are known, and memory."""

    read: ReadMemory
    registers: Mapping[str, int]
    address_size: int

    def register(self, name: str) -> int:
        """Raises NotAvailableError for one that the frames inside may have changed."""
        value = self.registers.get(name)
        if value is None:
            raise NotAvailableError(f"{name} not saved")
        return value

    @property
    def unchanged(self) -> Mapping[str, int]:
        """As CallerRegisters has it."""
        return self.registers.unchanged if isinstance(self.registers, CallerRegisters) else {}

    def word(self, address: int, size: int = 0) -> int:
        size = size or self.address_size
        return int.from_bytes(self.read(address & self.mask, size), "little")

    @property
    def mask(self) -> int:
        return (1 << 8 * self.address_size) - 1
