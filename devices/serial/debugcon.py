"""The debug console of Bochs and QEMU: a byte written to port E9h or 402h is a character of the firmware's
log.

Source: QEMU, docs/specs and the isa-debugcon device; Bochs user manual, port_e9_hack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.copied import copied
from devices.fitting import Fitting, Slot
from devices.seam import Rows
from devices.serial.backend import Backend

BOCHS_PORT = 0xE9
SEABIOS_PORT = 0x402
PRESENT = 0xE9
"""What the port reads as, so that a guest can tell that somebody listens."""


@dataclass(slots=True)
class DebugConsoleState:
    written: int = 0
    """Characters so far."""


@dataclass(frozen=True, slots=True)
class DebugConsoleOptions:
    port: int = BOCHS_PORT


class DebugConsole:
    """One byte-wide port."""

    title = "debug console: what is written is shown"
    State: ClassVar[type[DebugConsoleState]] = DebugConsoleState

    def __init__(self, name: str, backend: Backend) -> None:
        self.name = name
        self._backend = backend
        self._state = DebugConsoleState()

    def read(self, offset: int, size: int, now: int) -> int:
        return PRESENT

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._state.written += 1
        self._backend.transmit(value & 0xFF, now)

    def save(self) -> DebugConsoleState:
        return copied(self._state)

    def restore(self, state: DebugConsoleState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        return [("characters written", str(self._state.written))]


def _fit(slot: Slot, options: DebugConsoleOptions) -> DebugConsole:
    console = DebugConsole(slot.name, slot.debug_output)
    slot.claim_ports(range(options.port, options.port + 1), console)
    return console


FITTING = Fitting("debugcon", DebugConsole.title, DebugConsoleOptions, _fit)
