"""Waiting for a Linux kernel to be known: the guest is looked at between slices while it is in its kernel."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.debugger import Debugger

KERNEL_HALF = 1 << 63
MOST_SLICES = 256


class KernelWatch:
    """Asks again and again, ever less often if this is no Linux, until the answer is that it found what it wants."""

    def __init__(self, debugger: Debugger, ask: Callable[[], bool]) -> None:
        self._debugger = debugger
        self._ask = ask
        self._pause = self._left = 0

    def start(self) -> None:
        """Ask now, and later if need be."""
        self.stop()
        if not self._ask():
            self._pause = self._left = 1
            self._debugger.slice_listeners.append(self._between_slices)

    def stop(self) -> None:
        if self._between_slices in self._debugger.slice_listeners:
            self._debugger.slice_listeners.remove(self._between_slices)

    def look(self) -> None:
        """Ask out of turn."""
        if self._between_slices in self._debugger.slice_listeners and self._ask():
            self.stop()

    def _between_slices(self) -> None:
        if not self._debugger.cpu.mode.is_long or self._debugger.pc < KERNEL_HALF:
            return
        self._left -= 1
        if self._left <= 0:
            self._pause = self._left = min(2 * self._pause, MOST_SLICES)
            self.look()
