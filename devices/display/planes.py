"""How a VGA's memory answers in A0000h to BFFFFh: four planes, in words of 32 bits, plane 0 lowest.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem: graphics controller. Where chain-4 and
odd/even addresses lie in memory is as in QEMU's VGA, which the option ROM is made for: what is written through them
goes by the map mask alone, and a doubleword of memory has the four planes of an address.
"""

from __future__ import annotations

from ctypes import Array, c_uint8

from devices.display import vga_registers as reg
from devices.display.shared_vga import SharedVga
from devices.seam import DeviceMemory

PLANES = tuple(sum(0xFF << 8 * plane for plane in range(4) if bits >> plane & 1) for bits in range(16))
"""A byte of ones for each of four bits."""
_ALL = 0xFFFF_FFFF
_EACH = 0x0101_0101
_EVERY = 0xF


class Planes:
    """`latch` of the registers is what was read last, of all planes. Wide accesses are bytes that rise.

    `vmdbg/engine/native/shared_vga.c` does the same.
    """

    def __init__(self, registers: SharedVga, memory: DeviceMemory) -> None:
        self._registers = registers
        self._memory = memory

    def read(self, address: int, size: int) -> int:
        """Ones beyond the end."""
        registers, memory = self._registers, self._memory
        graphics = registers.graphics
        if 4 * (address + size) > memory.size:
            return self._read_bytes(address, size) if size > 1 else 0xFF
        if registers.linear or registers.sequencer[reg.MEMORY_MODE] & reg.CHAIN_4:
            return int.from_bytes(memory.read(address, size), "little")
        if graphics[reg.MODE] & reg.ODD_EVEN:
            if (address | size) & 1:
                return self._read_bytes(address, size) if size > 1 else self._read_lone(address)
            data, first = memory.read(2 * address, 2 * size), graphics[reg.READ_MAP] & 2
            both = bytearray(size)
            both[0::2], both[1::2] = data[first::4], data[first + 1 :: 4]
            return int.from_bytes(both, "little")
        data = memory.read(4 * address, 4 * size)
        registers.latch = int.from_bytes(data[-4:], "little")
        if graphics[reg.MODE] & reg.READ_COMPARE:
            compared = bytes(_compared(graphics, data[at : at + 4]) for at in range(0, len(data), 4))
            return int.from_bytes(compared, "little")
        return int.from_bytes(data[graphics[reg.READ_MAP] & 3 :: 4], "little")

    def write(self, address: int, size: int, value: int) -> None:
        """Nothing beyond the end."""
        registers = self._registers
        graphics, mask = registers.graphics, registers.sequencer[reg.MAP_MASK]
        value &= (1 << 8 * size) - 1
        if 4 * (address + size) > self._memory.size:
            if size > 1:
                self._write_bytes(address, size, value)
        elif registers.linear or registers.sequencer[reg.MEMORY_MODE] & reg.CHAIN_4:
            for lane in range(size):
                if registers.linear or mask >> (address + lane & 3) & 1:
                    self._memory.write(address + lane, bytes((value >> 8 * lane & 0xFF,)))
        elif graphics[reg.MODE] & reg.ODD_EVEN:
            self._write_odd_even(address, size, value, graphics[reg.READ_MAP] & 2, mask)
        else:
            self._write_planes(graphics, mask, 4 * address, value.to_bytes(size, "little"))

    def _read_bytes(self, address: int, size: int) -> int:
        return sum(self.read(address + lane, 1) << 8 * lane for lane in range(size))

    def _read_lone(self, address: int) -> int:
        plane = self._registers.graphics[reg.READ_MAP] & 2 | address & 1
        return self._memory.read((address & ~1) << 1 | plane, 1)[0]

    def _write_bytes(self, address: int, size: int, value: int) -> None:
        for lane in range(size):
            self.write(address + lane, 1, value >> 8 * lane & 0xFF)

    def _write_odd_even(self, address: int, size: int, value: int, first: int, mask: int) -> None:
        """Even addresses are those of plane `first`, odd ones of the next."""
        if mask >> first & 3 == 3 and not (address | size) & 1:
            for lane in range(0, size, 2):
                pair = (value >> 8 * lane & 0xFFFF).to_bytes(2, "little")
                self._memory.write(2 * (address + lane) + first, pair)
            return
        start = address & ~1
        at, end = 2 * start, 2 * (address + size + 1 & ~1)
        data = bytearray(self._memory.read(at, end - at))
        for lane in range(size):
            plane = first | address + lane & 1
            if mask >> plane & 1:
                data[(address + lane & ~1) - start << 1 | plane] = value >> 8 * lane & 0xFF
        self._memory.write(at, bytes(data))

    def _write_planes(self, graphics: Array[c_uint8], mask: int, at: int, values: bytes) -> None:
        if self._is_plain(graphics):
            new = b"".join(bytes((value,)) * 4 for value in values)
        else:
            new = b"".join(self._composed(graphics, value).to_bytes(4, "little") for value in values)
        if mask != _EVERY:
            data = bytearray(self._memory.read(at, len(new)))
            for plane in range(4):
                if mask >> plane & 1:
                    data[plane::4] = new[plane::4]
            new = bytes(data)
        self._memory.write(at, new)

    @staticmethod
    def _is_plain(graphics: Array[c_uint8]) -> bool:
        """All planes get the byte as it is."""
        no_register = not graphics[reg.ENABLE_SET_RESET] and not graphics[reg.ROTATE]
        return no_register and graphics[reg.BIT_MASK] == 0xFF and not graphics[reg.MODE] & 3

    def _composed(self, graphics: Array[c_uint8], value: int) -> int:
        """What the graphics controller makes of a byte of the CPU's, for all planes."""
        mode, bits, latch = graphics[reg.MODE] & 3, graphics[reg.BIT_MASK], self._registers.latch
        if mode == 1:
            return latch
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
        wide = (wide, wide & latch, wide | latch, wide ^ latch)[function]
        mask = bits * _EACH
        return wide & mask | latch & ~mask & _ALL


def _compared(graphics: Array[c_uint8], planes: bytes) -> int:
    """Read mode 1: a one for each dot that has the colour that is looked for."""
    read = int.from_bytes(planes, "little")
    differs = (read ^ PLANES[graphics[reg.COLOUR_COMPARE] & 0xF]) & PLANES[graphics[reg.DO_NOT_CARE] & 0xF]
    return ~(differs | differs >> 8 | differs >> 16 | differs >> 24) & 0xFF
