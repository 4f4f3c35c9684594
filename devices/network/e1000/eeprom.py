"""The serial EEPROM of 64 words beside an 82540EM, by its four wires and by EERD.

Source: the software developer's manual, 5.3 (Microwire interface), 5.6 (words), 13.4.3 (EECD), 13.4.4 (EERD).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WORDS: Final = 64
CHECKSUM: Final = 0xBABA
"""The sum of all words."""
CLOCK, SELECT, DATA_IN, DATA_OUT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REQUEST, GRANT, PRESENT = 1 << 6, 1 << 7, 1 << 8
WIRES: Final = CLOCK | SELECT | DATA_IN
READ: Final = 0b110
"""Start bit and opcode."""
COMMAND_BITS: Final = 9
"""Of a start bit, an opcode and an address."""
START, DONE = 1 << 0, 1 << 4


@dataclass(slots=True)
class EepromState:
    wires: int = 0
    request: bool = False
    command: int = 0
    """Bits that were clocked in since the start bit, which is the first."""
    out: int = 0
    """What is yet to be clocked out, the next bit first in `left` bits."""
    left: int = 0
    data_out: bool = True
    read: int = 0
    """EERD."""


def contents(mac: bytes, device: int, vendor: int) -> tuple[int, ...]:
    """The words for a card of that address."""
    words = [0xFFFF] * WORDS
    words[0:3] = [int.from_bytes(mac[at : at + 2], "little") for at in (0, 2, 4)]
    words[3] = 0  # compatibility: none of the special boards
    words[8:10] = [0xE810, 0x0001]  # the printed board's number
    words[0x0A:0x10] = [0x4408, 0x001E, vendor, device, vendor, 0x3040]
    words[0x10:0x30] = [0] * 0x20  # no wake-up
    words[WORDS - 1] = CHECKSUM - sum(words[: WORDS - 1]) & 0xFFFF
    return tuple(words)


def read_eecd(state: EepromState) -> int:
    granted = REQUEST | GRANT if state.request else 0
    return state.wires | granted | PRESENT | (DATA_OUT if state.data_out else 0) | 1 << 4


def write_eecd(state: EepromState, value: int, words: tuple[int, ...]) -> None:
    """What the guest does with the wires; only reading is known, and the EEPROM is never written."""
    before, state.wires = state.wires, value & WIRES
    state.request = bool(value & REQUEST)
    if not value & SELECT:
        state.command, state.left, state.data_out = 0, 0, True
    elif value & CLOCK and not before & CLOCK:
        _clock(state, bool(value & DATA_IN), words)


def _clock(state: EepromState, bit: bool, words: tuple[int, ...]) -> None:
    if state.left:
        state.left -= 1
        state.data_out = bool(state.out >> state.left & 1)
        return
    if state.command or bit:
        state.command = state.command << 1 | bit
    if state.command >> COMMAND_BITS - 1:
        if state.command >> 6 == READ:
            state.out, state.left = words[state.command & WORDS - 1], 16
        state.data_out = False  # a dummy bit
        state.command = 0


def read_eerd(state: EepromState) -> int:
    return state.read


def write_eerd(state: EepromState, value: int, words: tuple[int, ...]) -> None:
    """A word by its address."""
    if value & START:
        address = value >> 8 & 0xFF
        state.read = words[address % WORDS] << 16 | address << 8 | DONE
