"""Stops a machine soon after a text has been written to one of its consoles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vmdbg.machine.cpu_lines import LATENCY
from vmdbg.units import Tick


class Stoppable(Protocol):
    """The machine, to who may only stop it."""

    def stop_by(self, tick: Tick) -> None: ...
    def lift_stop(self, tick: Tick) -> None: ...


class TextWatch:
    """Waits for `text`; `written` has the ports that count, each with what it wrote already that may begin the text.

    The machine stops LATENCY after the text's last byte: the first place where it can stop exactly, which depends on
    nothing but the guest. A text lies in what one port wrote.
    """

    def __init__(self, machine: Stoppable, text: bytes, written: Mapping[int, bytes]) -> None:
        self.text = text
        self.found_at: Tick | None = None
        self.stop_at: Tick | None = None
        self._machine = machine
        self._tails = {port: self._tail(before) for port, before in written.items()}

    def on_output(self, port: int, data: bytes, now: int) -> None:
        """Runs while guest code does."""
        if self.stop_at is not None or port not in self._tails:
            return
        window = self._tails[port] + data
        if self.text in window:
            self.found_at, self.stop_at = Tick(now), Tick(now + LATENCY)
            self._machine.stop_by(self.stop_at)
        self._tails[port] = self._tail(window)

    def reached(self, clock: Tick) -> bool:
        """Whether the text was written and the machine stands where it was to stop, or beyond."""
        return self.stop_at is not None and clock >= self.stop_at

    def lift(self) -> None:
        """The machine may go on."""
        if self.stop_at is not None:
            self._machine.lift_stop(self.stop_at)

    def _tail(self, written: bytes) -> bytes:
        """What the text may have begun with."""
        return written[max(0, len(written) - len(self.text) + 1) :]
