"""Where a device's output bytes go."""

from __future__ import annotations

from typing import Protocol


class Backend(Protocol):
    """Takes what a serial port or the debug console sends. It must not call back into the device."""

    def transmit(self, data: int, now: int) -> None:
        """Take one character (0-255) sent at guest time `now` in nanoseconds."""
