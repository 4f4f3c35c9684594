"""A device for tests: memory that the guest has in banks at a window it moves, and a shadow that it switches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import DeviceMemory, Rows

START, BANK, TOUCHED = 0, 4, 8
SIZE, WINDOW = 0x40000, 0x4000
REGISTERS = range(0xB0000, 0xB000C)
"""Where they are as memory too."""


@dataclass(frozen=True, slots=True)
class BankedOptions:
    port: int = 0x2C0


@dataclass(slots=True)
class BankedState:
    start: int = 0
    bank: int = 0


class Banked:
    """Dword START, where the window is, 0 for nowhere; dword BANK, what it shows; a write to TOUCHED writes memory."""

    title = "banked memory"
    State: ClassVar[type[BankedState]] = BankedState

    def __init__(self, name: str, memory: DeviceMemory) -> None:
        self.name = name
        self._memory = memory
        self._window = memory.window(WINDOW)
        self._state = BankedState()

    def read(self, offset: int, size: int, now: int) -> int:
        return int.from_bytes(self._memory.read(self._state.bank, size), "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == TOUCHED:
            self._memory.write(self._state.bank + 0x3000, value.to_bytes(size, "little"))
        elif size == 4 and offset == START:
            self._state.start = value
        elif size == 4 and offset == BANK:
            self._state.bank = value % (SIZE - WINDOW + 1)
        self._follow()

    def _follow(self) -> None:
        self._window.aim(self._state.bank)
        self._window.move(self._state.start or None)

    def save(self) -> BankedState:
        return replace(self._state)

    def restore(self, state: BankedState) -> None:
        self._state = replace(state)
        self._follow()

    def describe(self, now: int) -> Rows:
        return [("window", f"{self._state.start:#x}"), ("shows", f"{self._state.bank:#x}")]


def fit(slot: Slot, options: BankedOptions) -> Banked:
    banked = Banked(slot.name, slot.memory("banks", SIZE))
    slot.claim_ports(range(options.port, options.port + 12), banked, wide=True)
    slot.claim_memory(REGISTERS, banked)
    return banked


FITTING = Fitting("banked", Banked.title, BankedOptions, fit)
