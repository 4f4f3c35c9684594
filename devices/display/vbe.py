"""The registers of Bochs' VBE: which mode a display has beyond those of a VGA.

Source: Bochs and QEMU, VBE display interface (docs/specs/standard-vga; vgabios' vbe_display_api.txt).
"""

from __future__ import annotations

from dataclasses import dataclass, field

ID, X_RES, Y_RES, BPP, ENABLE, BANK, VIRTUAL_WIDTH, VIRTUAL_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY_64K = range(11)
REGISTERS = 10
"""Those that are kept; MEMORY_64K is not."""
FIRST_ID, LAST_ID = 0xB0C0, 0xB0C5
MOST_X, MOST_Y, MOST_BPP = 16_000, 12_000, 32
ENABLED, CAPABILITIES, DAC_8BIT, LFB, NO_CLEAR = 0x01, 0x02, 0x20, 0x40, 0x80
BANK_SIZE = 0x10000
_DEPTHS = (4, 8, 15, 16, 24, 32)
_MODE_REGISTERS = (X_RES, Y_RES, BPP, VIRTUAL_WIDTH, X_OFFSET, Y_OFFSET)
_MOST = {X_RES: MOST_X, Y_RES: MOST_Y, BPP: MOST_BPP}


@dataclass(slots=True)
class VbeState:
    """`registers` by index."""

    index: int = 0
    registers: list[int] = field(default_factory=lambda: [LAST_ID] + [0] * (REGISTERS - 1))


def check(state: VbeState) -> None:
    """Raises ValueError for what these registers cannot hold."""
    if len(state.registers) != REGISTERS or not all(0 <= value <= 0xFFFF for value in state.registers):
        raise ValueError("the VBE interface has ten registers of 16 bits")


class Vbe:
    """`memory_size` in bytes. Whatever is written, the picture lies in that memory: what asks for more is corrected."""

    def __init__(self, memory_size: int) -> None:
        self.state = VbeState()
        self._memory_size = memory_size

    @property
    def enabled(self) -> bool:
        return bool(self.state.registers[ENABLE] & ENABLED)

    @property
    def wide_dac(self) -> bool:
        return bool(self.state.registers[ENABLE] & DAC_8BIT)

    @property
    def depth(self) -> int:
        """Bits a pixel, as named: 15 take 16."""
        return self.state.registers[BPP]

    @property
    def pitch(self) -> int:
        """Bytes from one line to the next."""
        return self.state.registers[VIRTUAL_WIDTH] * self._bits // 8

    @property
    def start(self) -> int:
        """Where in memory the picture begins; a multiple of 4."""
        r = self.state.registers
        return (r[X_OFFSET] * self._bits // 8 + r[Y_OFFSET] * self.pitch) & ~3

    @property
    def size(self) -> tuple[int, int]:
        """Of the picture."""
        return self.state.registers[X_RES], self.state.registers[Y_RES]

    @property
    def bank(self) -> int:
        """Where in memory the window at A0000h begins."""
        return self.state.registers[BANK] * BANK_SIZE if self.enabled else 0

    def read(self, index: int) -> int:
        """Of 16 bits."""
        r = self.state.registers
        if index == MEMORY_64K:
            return self._memory_size // BANK_SIZE
        if index >= REGISTERS:
            return 0
        if r[ENABLE] & CAPABILITIES and index in _MOST:
            return _MOST[index]
        return r[index]

    def write(self, index: int, value: int) -> bool:
        """Whether memory that is shown is to be cleared."""
        r = self.state.registers
        value &= 0xFFFF
        if index == ID:
            if FIRST_ID <= value <= LAST_ID:
                r[ID] = value
        elif index in _MODE_REGISTERS:
            r[index] = value
            self._correct()
        elif index == BANK:
            r[BANK] = value & self._memory_size // BANK_SIZE - 1
        elif index == ENABLE:
            return self._enable(value)
        return False

    def _enable(self, value: int) -> bool:
        r = self.state.registers
        begins = bool(value & ENABLED) and not self.enabled
        if begins:
            r[VIRTUAL_WIDTH] = r[X_OFFSET] = r[Y_OFFSET] = 0
        r[ENABLE] = value
        self._correct()
        return begins and not value & NO_CLEAR

    @property
    def _bits(self) -> int:
        depth = self.state.registers[BPP]
        return 16 if depth == 15 else depth

    def _correct(self) -> None:
        r = self.state.registers
        if not self.enabled:
            return
        if r[BPP] not in _DEPTHS:
            r[BPP] = 8
        r[X_RES] = min(max(r[X_RES] & ~7, 8), MOST_X)
        r[VIRTUAL_WIDTH] = max(min(r[VIRTUAL_WIDTH] & ~7, MOST_X), r[X_RES])
        lines = self._memory_size // self.pitch
        r[Y_RES] = min(max(r[Y_RES], 1), MOST_Y, lines)
        r[X_OFFSET], r[Y_OFFSET] = min(r[X_OFFSET], MOST_X), min(r[Y_OFFSET], MOST_Y)
        size = r[Y_RES] * self.pitch
        if r[X_OFFSET] * self._bits // 8 + r[Y_OFFSET] * self.pitch + size > self._memory_size:
            r[Y_OFFSET] = 0
        if r[X_OFFSET] * self._bits // 8 + size > self._memory_size:
            r[X_OFFSET] = 0
        r[VIRTUAL_HEIGHT] = lines & 0xFFFF
