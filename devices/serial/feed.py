"""Characters on their way to a UART, at the line's speed and no faster than it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.seam import Timer
from devices.serial.uart import Uart16550A

CHARACTER_NS = 86_806
"""Ten bits at 115,200 baud."""
NEXT = "next character"


@dataclass(slots=True)
class SerialFeedState:
    waiting: bytes = b""


class SerialFeed:
    """Holds what has been typed until the UART has room."""

    State: ClassVar[type[SerialFeedState]] = SerialFeedState

    def __init__(self, name: str, uart: Uart16550A, timer: Timer) -> None:
        self.name = name
        self._uart = uart
        self._timer = timer
        self._state = SerialFeedState()

    def send(self, data: bytes, now: int) -> None:
        idle = not self._state.waiting
        self._state.waiting += data
        if idle and data:
            self.on_event(NEXT, now)

    def on_event(self, name: str, now: int) -> None:  # noqa: ARG002 - there is one
        waiting = self._state.waiting
        if waiting and self._uart.can_receive():
            self._state.waiting = waiting[1:]
            self._uart.receive(waiting[0], now)
        if self._state.waiting:
            self._timer.schedule(NEXT, now + CHARACTER_NS)

    @property
    def idle(self) -> bool:
        return not self._state.waiting

    def save(self) -> SerialFeedState:
        return SerialFeedState(self._state.waiting)

    def restore(self, state: SerialFeedState) -> None:
        self._state = SerialFeedState(state.waiting)

    def describe(self) -> list[tuple[str, str]]:
        return [("waiting", f"{len(self._state.waiting)} bytes")]
