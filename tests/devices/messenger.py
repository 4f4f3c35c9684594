"""A device for tests: sends message signalled interrupts, in the access that asks for it or some time after that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import Rows, Timer

MEMORY, PORT = 0xFD00_0000, 0x2C0
AT_ONCE, LATER = 0, 4
TARGET = 0xFEE0_0000
_LATENCY = 9_000
_DUE = "message"


@dataclass(frozen=True, slots=True)
class MessengerOptions:
    """It is where it is."""


@dataclass(slots=True)
class MessengerState:
    waiting: list[int] = field(default_factory=list)


class Messenger:
    """A dword written to AT_ONCE is the data of a message; one written to LATER is sent in a deadline."""

    title = "messenger"
    State: ClassVar[type[MessengerState]] = MessengerState

    def __init__(self, name: str, timer: Timer, send: Callable[[int, int], None]) -> None:
        self.name = name
        self.sent: list[int] = []
        """When, for tests: no state."""
        self._timer = timer
        self._send = send
        self._state = MessengerState()

    def read(self, offset: int, size: int, now: int) -> int:
        return len(self._state.waiting)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == AT_ONCE:
            self.sent.append(now)
            self._send(TARGET, value & 0xFF)
        elif offset == LATER:
            self._state.waiting.append(value & 0xFF)
            self._timer.schedule(_DUE, now + _LATENCY)

    def on_event(self, name: str, now: int) -> None:
        waiting, self._state.waiting = self._state.waiting, []
        for value in waiting:
            self.sent.append(now)
            self._send(TARGET, value)

    def save(self) -> MessengerState:
        return MessengerState(list(self._state.waiting))

    def restore(self, state: MessengerState) -> None:
        self._state = MessengerState(list(state.waiting))

    def describe(self, now: int) -> Rows:
        return [("waiting", str(self._state.waiting))]


def fit(slot: Slot, options: MessengerOptions) -> Messenger:
    messenger = Messenger(slot.name, slot.timer(), slot.msi())
    slot.claim_memory(range(MEMORY, MEMORY + 0x1000), messenger)
    slot.claim_ports(range(PORT, PORT + 8), messenger, wide=True)
    return messenger


FITTING = Fitting("messenger", Messenger.title, MessengerOptions, fit)
