"""Characters on their way to a UART, at the line's speed and no faster than it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from devices.seam import DeviceInput, Rows, Timer
from devices.serial.com_ports import COM_PORTS, ComPort

CHARACTER_NS = 86_806
"""Ten bits at 115,200 baud."""
NEXT = "next character"


@dataclass(slots=True)
class SerialFeedState:
    waiting: bytes = b""


@dataclass(frozen=True, slots=True)
class SerialInput:
    """Bytes that arrive at serial port `port` (0 for COM1), as fast as the line carries them."""

    port: int
    data: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.port < len(COM_PORTS):
            raise ValueError(f"there is no serial port {self.port}")

    @property
    def device(self) -> str:
        return feed_name(COM_PORTS[self.port])


def feed_name(port: ComPort) -> str:
    return f"{port.name}-input"


class Receiver(Protocol):
    """The UART's end of the line."""

    def can_receive(self) -> bool: ...

    def receive(self, data: int, now: int) -> None: ...


class SerialFeed:
    """Holds what has been typed until the UART has room."""

    INPUTS: ClassVar[tuple[type[DeviceInput], ...]] = (SerialInput,)
    State: ClassVar[type[SerialFeedState]] = SerialFeedState

    def __init__(self, port: ComPort, uart: Receiver, timer: Timer) -> None:
        self.name = feed_name(port)
        self.title = f"what was typed and {port.name} has not taken yet"
        self._uart = uart
        self._timer = timer
        self._state = SerialFeedState()

    def take(self, data: SerialInput, now: int) -> None:
        idle = not self._state.waiting
        self._state.waiting += data.data
        if idle and data.data:
            self.on_event(NEXT, now)

    def on_event(self, name: str, now: int) -> None:
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

    def describe(self, now: int) -> Rows:
        return [("waiting", f"{len(self._state.waiting)} bytes")]
