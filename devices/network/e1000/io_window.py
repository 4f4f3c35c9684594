"""The ports through which real-mode code reaches an 82540EM. Source: the software developer's manual, 13.2.2.1."""

from __future__ import annotations

from devices.network.e1000 import registers as reg
from devices.seam import AddressedDevice


class IoWindow:
    """IOADDR says which register IODATA is."""

    def __init__(self, registers: AddressedDevice) -> None:
        self._registers = registers
        self.address = 0

    def read(self, offset: int, size: int, now: int) -> int:
        mask = (1 << 8 * size) - 1
        if offset == reg.IOADDR:
            return self.address & mask
        if offset == reg.IODATA:
            return self._registers.read(self.address, 4, now) & mask
        return 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if size != 4:
            return
        if offset == reg.IOADDR:
            self.address = value & reg.SIZE - 1
        elif offset == reg.IODATA:
            self._registers.write(self.address & ~3, 4, value, now)
