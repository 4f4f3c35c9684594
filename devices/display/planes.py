"""How a VGA's memory answers in A0000h to BFFFFh: four planes, in words of 32 bits, plane 0 lowest.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: graphics controller. Where chain-4 and
odd/even addresses lie in memory is as in QEMU's VGA, which the option ROM is made for: what is written through them
goes by the map mask alone, and a doubleword of memory has the four planes of an address.
"""

from __future__ import annotations

from devices.display import vga_registers as reg
from devices.display.vga_registers import VgaRegistersState
from devices.seam import DeviceMemory

PLANES = tuple(sum(0xFF << 8 * plane for plane in range(4) if bits >> plane & 1) for bits in range(16))
"""A byte of ones for each of four bits."""
_ALL = 0xFFFF_FFFF
_EACH = 0x0101_0101


class Planes:
    """One byte at a time. `latch` is what was read last, of all planes; `linear` says that addresses are chained as
    whole bytes and that all planes are written, whatever the sequencer says: VBE's modes have it so.
    """

    def __init__(self, memory: DeviceMemory) -> None:
        self.latch = 0
        self.linear = False
        self._memory = memory

    def read(self, registers: VgaRegistersState, address: int) -> int:
        """Ones beyond the end."""
        graphics, memory = registers.graphics, self._memory
        lone = self._lone(registers, address)
        if lone is not None:
            return memory.read(lone[0], 1)[0] if lone[0] < memory.size else 0xFF
        if 4 * address >= memory.size:
            return 0xFF
        self.latch = latch = int.from_bytes(memory.read(4 * address, 4), "little")
        if not graphics[reg.MODE] & reg.READ_COMPARE:
            return latch >> 8 * (graphics[reg.READ_MAP] & 3) & 0xFF
        differs = (latch ^ PLANES[graphics[reg.COLOUR_COMPARE] & 0xF]) & PLANES[graphics[reg.DO_NOT_CARE] & 0xF]
        return ~(differs | differs >> 8 | differs >> 16 | differs >> 24) & 0xFF

    def write(self, registers: VgaRegistersState, address: int, value: int) -> None:
        lone = self._lone(registers, address)
        if lone is None:
            if 4 * address < self._memory.size:
                self._write_planes(registers, 4 * address, value)
        elif (self.linear or registers.sequencer[reg.MAP_MASK] >> lone[1] & 1) and lone[0] < self._memory.size:
            self._memory.write(lone[0], bytes((value,)))

    def _write_planes(self, registers: VgaRegistersState, at: int, value: int) -> None:
        kept = PLANES[registers.sequencer[reg.MAP_MASK] & 0xF]
        new = self._composed(registers.graphics, value)
        if kept != _ALL:
            new = int.from_bytes(self._memory.read(at, 4), "little") & ~kept | new & kept
        self._memory.write(at, new.to_bytes(4, "little"))

    def _composed(self, graphics: list[int], value: int) -> int:
        """What the graphics controller makes of a byte of the CPU's, for all planes."""
        mode, bits = graphics[reg.MODE] & 3, graphics[reg.BIT_MASK]
        if mode == 1:
            return self.latch
        rotation = graphics[reg.ROTATE] & 7
        rotated = (value >> rotation | value << 8 - rotation) & 0xFF
        if mode == 0:
            of_register = PLANES[graphics[reg.ENABLE_SET_RESET] & 0xF]
            wide = rotated * _EACH & ~of_register | PLANES[graphics[reg.SET_RESET] & 0xF] & of_register
        elif mode == 2:
            wide = PLANES[value & 0xF]
        else:
            bits &= rotated
            wide = PLANES[graphics[reg.SET_RESET] & 0xF]
        function = graphics[reg.ROTATE] >> 3 & 3
        wide = (wide, wide & self.latch, wide | self.latch, wide ^ self.latch)[function]
        mask = bits * _EACH
        return wide & mask | self.latch & ~mask & _ALL

    def _lone(self, registers: VgaRegistersState, address: int) -> tuple[int, int] | None:
        """Where in memory what is reached by chain-4 or odd/even lies, and its plane; None where all are reached."""
        if self.linear or registers.sequencer[reg.MEMORY_MODE] & reg.CHAIN_4:
            return address, address & 3
        if registers.graphics[reg.MODE] & reg.ODD_EVEN:
            plane = registers.graphics[reg.READ_MAP] & 2 | address & 1
            return (address & ~1) << 1 | plane, plane
        return None
