"""What the guest writes: kept for those who ask, passed on to those who listen."""

from __future__ import annotations

from collections.abc import Callable

from devices.seam import DeviceInput
from devices.serial.feed import SerialInput

COM1, SERIAL_PORTS = 0, 4
HVC = SERIAL_PORTS
"""The virtio console, after COM1 to COM4."""
HVC_NAME = "hvc0"
"""Of its device, as Linux calls it."""
DEBUG_CONSOLE = -1
PORT_WORDS = "0 to 3 are COM1 to COM4, 4 is the virtio console, -1 the debug console"
Listener = Callable[[int, bytes, int], None]
"""Called with the port's number, what was written and the tick."""


def typed(port: int, data: bytes) -> DeviceInput:
    """What is typed at a serial port or at the virtio console. Raises ValueError for another."""
    if port != HVC:
        return SerialInput(port, data)
    from devices.virtio.console import ConsoleInput  # for machines that have one only

    return ConsoleInput(HVC_NAME, data)


class Console:
    """The output of one line. Listeners run while guest code does: they must not touch it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.listeners: list[Listener] = []

    def transmit(self, data: int, now: int) -> None:
        if self.listeners:
            text = bytes((data,))
            for listener in self.listeners:
                listener(self.port, text, now)
