"""Typing what was prepared: a line at a time, each when the serial line has gone idle.

When a line is idle is a matter of guest time and of the CPU's being halted only, so that the same text is typed at
the same ticks in every run.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.units import TICKS_PER_SECOND, Tick


@dataclass(frozen=True, slots=True)
class Patience:
    """Ticks without output after which a guest counts as waiting, by whether its CPU is halted then."""

    halted: int
    busy: int


AT_PROMPT = Patience(TICKS_PER_SECOND // 10, TICKS_PER_SECOND)
"""The last line is unfinished."""
AFTER_LINE = Patience(TICKS_PER_SECOND, 10 * TICKS_PER_SECOND)
"""A kernel may compute for seconds between two messages, but it does not halt then."""
RECHECK = TICKS_PER_SECOND // 10


class Typist:
    """Holds text and says when to see whether the next line of it can be typed."""

    def __init__(self, text: bytes = b"") -> None:
        self._text = bytearray(text)
        self._last = 0
        self._patience = AFTER_LINE
        self._check = AFTER_LINE.busy

    def add(self, text: bytes) -> None:
        self._text += text

    @property
    def pending(self) -> bool:
        return bool(self._text)

    def on_output(self, port: int, data: bytes, now: int) -> None:
        """The guest wrote to its serial port."""
        del port
        self._wait(now, AFTER_LINE if data[-1:] in (b"\n", b"\r") else AT_PROMPT)

    def _wait(self, now: int, patience: Patience) -> None:
        self._last, self._patience = now, patience
        self._check = now + patience.halted

    @property
    def due(self) -> Tick | None:
        """When to call `take`, unless the guest writes before. None if nothing is left to type."""
        return Tick(self._check) if self._text else None

    def take(self, clock: Tick, halted: bool) -> bytes:
        """What to type at `clock`: the next line with its end, or nothing yet."""
        if clock < self._check:
            return b""
        if not halted and clock - self._last < self._patience.busy:
            self._check = clock + RECHECK
            return b""
        return self.take_line(clock)

    def take_line(self, clock: Tick) -> bytes:
        """The next line, whatever the guest does; it counts as working on it from here."""
        end = next((i for i, byte in enumerate(self._text) if byte in b"\r\n"), len(self._text) - 1)
        if self._text[end : end + 2] == b"\r\n":
            end += 1
        line = bytes(self._text[: end + 1])
        del self._text[: end + 1]
        self._wait(clock, AFTER_LINE)
        return line
