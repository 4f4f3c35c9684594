"""Programming side of the two 8237A DMA controllers of an AT.

Source: Intel 8237A data sheet; IBM AT Technical Reference for the second controller's even ports. Where no device
asks for DMA no transfer ever starts: registers hold what was written, and nothing reaches terminal count.
`dma_transfers.py` has the controller that devices are at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.seam import Rows

MASTER_PORTS = range(0x10)
SLAVE_PORTS = range(0xC0, 0xE0)
"""Channels 4-7: word channels, each register at two ports."""

STATUS_COMMAND = 0x8
REQUEST = 0x9
SINGLE_MASK = 0xA
MODE = 0xB
CLEAR_POINTER = 0xC
MASTER_CLEAR = 0xD
CLEAR_MASK = 0xE
ALL_MASK = 0xF

TRANSFERS = ("verify", "write", "read", "illegal")
MODES = ("demand", "single", "block", "cascade")


@dataclass(slots=True)
class DmaState:
    registers: list[int] = field(default_factory=lambda: [0] * 8)
    """Address and word count of channels 0-3, in the order of their ports; base and current are the same
    here.
    """
    modes: list[int] = field(default_factory=lambda: [0] * 4)
    command: int = 0
    requests: int = 0
    mask: int = 0x0F
    high_byte: bool = False
    """The first/last flip-flop."""


class Dma8237A:
    """One controller; `stride` is the distance of its registers, 1 for the first and 2 for the second."""

    State: ClassVar[type[DmaState]] = DmaState

    def __init__(self, name: str, stride: int) -> None:
        self.name = name
        self.title = f"8237A DMA controller, channels {'0 to 3' if stride == 1 else '4 to 7'}"
        self._stride = stride
        self._state = DmaState()

    def read(self, offset: int, size: int, now: int) -> int:
        s = self._state
        register = offset // self._stride
        if register < STATUS_COMMAND:
            shift = self._flip()
            return self._current[register] >> shift & 0xFF
        if register == STATUS_COMMAND:
            return s.requests << 4 | self._take_reached()
        return 0xF0 | s.mask if register == ALL_MASK else 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        s = self._state
        value &= 0xFF
        register = offset // self._stride
        if register < STATUS_COMMAND:
            shift = self._flip()
            for registers in self._loaded:
                registers[register] = registers[register] & 0xFF00 >> shift | value << shift
        elif register == STATUS_COMMAND:
            s.command = value
        elif register == REQUEST:
            s.requests = _with_bit(s.requests, value)
        elif register == SINGLE_MASK:
            s.mask = _with_bit(s.mask, value)
        elif register == MODE:
            s.modes[value & 3] = value
        elif register == CLEAR_POINTER:
            s.high_byte = False
        elif register == MASTER_CLEAR:
            s.command, s.requests, s.mask, s.high_byte = 0, 0, 0x0F, False
            self._take_reached()
        elif register == CLEAR_MASK:
            s.mask = 0
        else:
            s.mask = value & 0x0F

    def save(self) -> DmaState:
        return copied(self._state)

    def restore(self, state: DmaState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        s = self._state
        rows = [("command", f"{s.command:02x}"), ("mask", f"{s.mask:04b}"), ("requests", f"{s.requests:04b}")]
        for channel, mode in enumerate(s.modes):
            address, count = self._current[2 * channel : 2 * channel + 2]
            kind = f"{MODES[mode >> 6]} {TRANSFERS[mode >> 2 & 3]}"
            rows.append((f"channel {channel}", f"{kind}, address {address:04x}, count {count:04x}"))
        return rows

    @property
    def _current(self) -> list[int]:
        """Address and word count of each channel as a transfer has them."""
        return self._state.registers

    @property
    def _loaded(self) -> tuple[list[int], ...]:
        """What software writes to at once."""
        return (self._state.registers,)

    def _take_reached(self) -> int:
        """The channels that came to terminal count since this was last asked for, a bit for each."""
        return 0

    def _flip(self) -> int:
        """The bit position of the byte that the flip-flop selects; the access toggles it."""
        shift = 8 if self._state.high_byte else 0
        self._state.high_byte = not self._state.high_byte
        return shift


def _with_bit(bits: int, value: int) -> int:
    """The request and mask registers take a channel in bits 0-1 and its new value in bit 2."""
    bit = 1 << (value & 3)
    return bits | bit if value & 4 else bits & ~bit
