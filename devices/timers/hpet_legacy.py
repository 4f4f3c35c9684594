"""Interrupt lines that the HPET can take over from the 8254 and the RTC.

Source: IA-PC HPET specification 1.0a, 2.3.5 (LEG_RT_CNF).
"""

from __future__ import annotations

from collections.abc import Callable

from devices.seam import Line


class ReplacedIrq:
    """`line` follows its chip, which drives this one, or while it is replaced one of the HPET's timers."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.chip_level: Callable[[], bool] = lambda: False
        self.on_replaced: Callable[[bool], None] = lambda replaced: None
        """Called when the chip is heard no more, and when it is again."""
        self.replaced = False

    def set(self, level: bool) -> None:
        """The chip's output."""
        if not self.replaced:
            self._line.set(level)

    def restore(self, replaced: bool) -> None:
        """The line's receivers have their states back."""
        self.replaced = replaced
        self.on_replaced(replaced)

    def replace(self, replaced: bool, level: bool) -> None:
        """The timer's output is `level`, and heard if `replaced`."""
        if replaced != self.replaced:
            self.restore(replaced)
            self._line.set(level if replaced else self.chip_level())
        elif replaced:
            self._line.set(level)
