"""Port 92h, PS/2 system control port A: fast A20 gate and fast processor reset.

Source: IBM PS/2 Hardware Interface Technical Reference, System Control Port A; Intel 82371AB data sheet, port
92 register.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.copied import copied
from devices.seam import Line, Rows
from devices.wiring.shared_ports import PlainPorts

PORT92 = 0x92
FAST_RESET = 0x01
ALT_A20_GATE = 0x02


@dataclass(slots=True)
class Port92State:
    value: int = 0


class Port92:
    """One byte-wide register. A rising bit 0 pulses `reset`; bit 1 drives `a20`."""

    name = "port92"
    title = "system control port A: A20, fast reset"
    State: ClassVar[type[Port92State]] = Port92State

    def __init__(self, a20: Line, reset: Line) -> None:
        self._a20 = a20
        self._reset = reset
        self._state = Port92State()
        self.plain = PlainPorts()
        """A BIOS reads it at each call."""
        self.plain.show(0, 0)

    def read(self, offset: int, size: int, now: int) -> int:
        return self._state.value

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        rising = value & ~self._state.value
        self._state.value = value & (FAST_RESET | ALT_A20_GATE)
        self.plain.show(0, self._state.value)
        self._a20.set(bool(value & ALT_A20_GATE))
        if rising & FAST_RESET:
            self._reset.set(True)
            self._reset.set(False)

    def save(self) -> Port92State:
        return copied(self._state)

    def restore(self, state: Port92State) -> None:
        self._state = copied(state)
        self.plain.show(0, state.value)

    def describe(self, now: int) -> Rows:
        value = self._state.value
        return [
            ("fast A20", "on" if value & ALT_A20_GATE else "off"),
            ("fast reset", "set" if value & FAST_RESET else "clear"),
        ]
