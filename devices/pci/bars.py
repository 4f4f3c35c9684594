"""Base address registers: what a function answers at, and where the guest has put it.

Source: PCI Local Bus Specification 3.0, 6.2.5.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from devices.seam import AddressedDevice, DeviceMemory
from devices.wiring.bus import PORTS

LOWEST_ROM = 0x800
HIGHEST_IO = 256
"""A function may ask for no more ports than that (6.2.5.1)."""
PREFETCHABLE = 0x8
TYPE_64 = 0x4
TYPE_IO = 0x1


class Space(enum.Enum):
    IO = "I/O"
    MEMORY32 = "32-bit memory"
    MEMORY64 = "64-bit memory"
    ROM = "expansion ROM"


_LOWEST = {Space.IO: 4, Space.MEMORY32: 16, Space.MEMORY64: 16, Space.ROM: LOWEST_ROM}


@dataclass(frozen=True, slots=True)
class Bar:
    """`size` bytes, a power of two, behind which `part` answers to offsets from its start; or the guest has a device's
    memory, from its beginning.

    Raises ValueError for a size that cannot be.
    """

    space: Space
    size: int
    part: AddressedDevice | DeviceMemory
    prefetchable: bool = False

    def __post_init__(self) -> None:
        lowest = _LOWEST[self.space]
        if self.size < lowest or self.size & self.size - 1 or (self.space is Space.IO and self.size > HIGHEST_IO):
            raise ValueError(f"{self.size} bytes cannot be had by a base address register for {self.space.value}")

    @property
    def registers(self) -> int:
        """How many dwords it has in the header."""
        return 2 if self.space is Space.MEMORY64 else 1

    @property
    def type_bits(self) -> int:
        """The bits that say what it is, which cannot be written."""
        if self.space is Space.IO:
            return TYPE_IO
        prefetchable = PREFETCHABLE if self.prefetchable else 0
        return prefetchable | (TYPE_64 if self.space is Space.MEMORY64 else 0) if self.space is not Space.ROM else 0

    @property
    def address_mask(self) -> int:
        """The address bits that can be written, as wide as the register is."""
        return (1 << 32 * self.registers) - self.size

    def start(self, value: int) -> int | None:
        """The first address that the register's `value` means.

        None where nothing is decoded: at 0, which is what a register holds that nobody has set, and where the last
        byte would lie beyond the space.
        """
        start = value & self.address_mask
        limit = PORTS if self.space is Space.IO else 1 << 32 * self.registers
        return start if start > 0 and start + self.size < limit else None


class Rom:
    """What an expansion ROM holds, as a part: reads beyond it are ones, writes change nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, size: int, now: int) -> int:
        return int.from_bytes(self._data[offset : offset + size].ljust(size, b"\xff"), "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        """Nothing can be written."""


def rom_bar(data: bytes) -> Bar:
    """A register for an expansion ROM of that contents."""
    size = max(LOWEST_ROM, 1 << (len(data) - 1).bit_length())
    return Bar(Space.ROM, size, Rom(data))
