"""Port 61h, the PC's system control port B: speaker, GATE2 and OUT2 of the 8254, NMI sources.

Source: PIIX3 (82371SB) data sheet, NMISC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.seam import Rows
from devices.timers.pit import Pit
from devices.wiring.shared_ports import PlainPorts

GATE2, SPEAKER_DATA, WRITABLE = 0x01, 0x02, 0x0F
REFRESH_TOGGLE, OUT2 = 0x10, 0x20
REFRESH_PERIOD = 15_085
"""Nanoseconds: counter 1 divides CLK by 18 to refresh memory."""


@dataclass(slots=True)
class Port61State:
    """The bits that software writes: GATE2, speaker data, and the two that disable SERR# and IOCHK# NMIs."""

    control: int = 0


class Port61:
    """One byte. No parity or channel check error ever happens, so bits 6 and 7 read 0."""

    name = "port61"
    title = "system control port B: speaker, gate of counter 2"
    State: ClassVar[type[Port61State]] = Port61State

    def __init__(self, pit: Pit) -> None:
        self._pit = pit
        self._control = 0
        self.plain = PlainPorts()
        """What was read last, for as long as it stays: guests wait for OUT2 by reading it millions of times."""
        pit.on_speaker = lambda: self.plain.hide(0)

    def read(self, offset: int, size: int, now: int) -> int:
        if offset:
            return (1 << 8 * size) - 1
        refresh, edge = now // REFRESH_PERIOD, self._pit.speaker_edge(now)
        value = self._control | (REFRESH_TOGGLE if refresh & 1 else 0) | (OUT2 if self._pit.speaker_out(now) else 0)
        toggles = (refresh + 1) * REFRESH_PERIOD
        self.plain.show(0, value, toggles if edge is None else min(toggles, edge))
        return value

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == 0:
            self._control = value & WRITABLE
            self.plain.hide(0)
            self._pit.set_speaker_gate(bool(value & GATE2), now)

    def save(self) -> Port61State:
        return Port61State(self._control)

    def restore(self, state: Port61State) -> None:
        self._control = state.control
        self.plain.hide(0)

    def describe(self, now: int) -> Rows:
        return [
            ("timer 2 gate", "on" if self._control & GATE2 else "off"),
            ("speaker data", "on" if self._control & SPEAKER_DATA else "off"),
            ("SERR# NMI", "disabled" if self._control & 0x04 else "enabled"),
            ("IOCHK# NMI", "disabled" if self._control & 0x08 else "enabled"),
        ]
