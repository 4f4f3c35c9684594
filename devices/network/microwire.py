"""A serial EEPROM of 64 words of 16 bits on three wires and one back, as 93C46s are. It is read, and never written.

Source: Microchip 93C46 data sheet, READ; Intel 8254x software developer's manual, 5.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WORDS: Final = 64
_READ: Final = 0b110
"""Start bit and opcode."""
_COMMAND_BITS: Final = 9
"""Of a start bit, an opcode and an address."""


@dataclass(slots=True)
class MicrowireState:
    clock: bool = False
    command: int = 0
    """Bits that were clocked in since the start bit, which is the first."""
    out: int = 0
    """What is yet to be clocked out, the next bit first in `left` bits."""
    left: int = 0
    data_out: bool = True


def drive(state: MicrowireState, words: tuple[int, ...], *, select: bool, clock: bool, data: bool) -> None:
    """The levels of the wires; a rising clock counts while the chip is selected."""
    before, state.clock = state.clock, clock
    if not select:
        state.command, state.left, state.data_out = 0, 0, True
    elif clock and not before:
        _clock(state, data, words)


def _clock(state: MicrowireState, bit: bool, words: tuple[int, ...]) -> None:
    if state.left:
        state.left -= 1
        state.data_out = bool(state.out >> state.left & 1)
        return
    if state.command or bit:
        state.command = state.command << 1 | bit
    if state.command >> _COMMAND_BITS - 1:
        if state.command >> 6 == _READ:
            state.out, state.left = words[state.command & WORDS - 1], 16
        state.data_out = False  # a dummy bit
        state.command = 0
