"""What the guest writes: kept for those who ask, passed on to those who listen."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[int, bytes, int], None]
"""Called with the port's number, what was written and the tick."""


class Console:
    """The output of one serial port or debug console. Listeners run while guest code does: they must not touch it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.listeners: list[Listener] = []

    def transmit(self, data: int, now: int) -> None:
        if self.listeners:
            text = bytes((data,))
            for listener in self.listeners:
                listener(self.port, text, now)
