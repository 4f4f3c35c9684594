"""The serial EEPROM of 64 words beside an 82540EM, by its four wires and by EERD.

Source: the software developer's manual, 5.3 (Microwire interface), 5.6 (words), 13.4.3 (EECD), 13.4.4 (EERD).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from devices.network.microwire import WORDS, MicrowireState, drive

CHECKSUM: Final = 0xBABA
"""The sum of all words."""
CLOCK, SELECT, DATA_IN, DATA_OUT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REQUEST, GRANT, PRESENT = 1 << 6, 1 << 7, 1 << 8
WIRES: Final = CLOCK | SELECT | DATA_IN
START, DONE = 1 << 0, 1 << 4


@dataclass(slots=True)
class EepromState:
    wires: int = 0
    request: bool = False
    chip: MicrowireState = field(default_factory=MicrowireState)
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
    return state.wires | granted | PRESENT | (DATA_OUT if state.chip.data_out else 0) | 1 << 4


def write_eecd(state: EepromState, value: int, words: tuple[int, ...]) -> None:
    """What the guest does with the wires."""
    state.wires = value & WIRES
    state.request = bool(value & REQUEST)
    select, clock, data = bool(value & SELECT), bool(value & CLOCK), bool(value & DATA_IN)
    drive(state.chip, words, select=select, clock=clock, data=data)


def read_eerd(state: EepromState) -> int:
    return state.read


def write_eerd(state: EepromState, value: int, words: tuple[int, ...]) -> None:
    """A word by its address."""
    if value & START:
        address = value >> 8 & 0xFF
        state.read = words[address % WORDS] << 16 | address << 8 | DONE
