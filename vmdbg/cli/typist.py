"""Typing what was prepared: a line at a time, each when the serial line has gone idle.

When a line is idle is a matter of guest time only, so that the same text is typed at the same ticks in every run.
"""

from __future__ import annotations

from vmdbg.units import TICKS_PER_SECOND, Tick

QUIET_AT_PROMPT = TICKS_PER_SECOND // 10
"""Ticks without output after which an unfinished line is a prompt."""
QUIET = 2 * TICKS_PER_SECOND
"""Ticks without output after which a guest that shows no prompt waits all the same."""
SILENT = 10 * TICKS_PER_SECOND
"""Ticks that a guest gets to say its first word."""


class Typist:
    """Holds text and says when the next line of it is due."""

    def __init__(self, text: bytes = b"") -> None:
        self._text = bytearray(text)
        self._last: int | None = None
        self._at_prompt = False

    def add(self, text: bytes) -> None:
        self._text += text

    @property
    def pending(self) -> bool:
        return bool(self._text)

    def on_output(self, port: int, data: bytes, now: int) -> None:
        """The guest wrote to its serial port."""
        del port
        self._last = now
        self._at_prompt = data[-1:] not in (b"\n", b"\r")

    @property
    def due(self) -> Tick | None:
        """When the next line is to be typed, unless the guest writes before. None if nothing is left to type."""
        if not self._text:
            return None
        if self._last is None:
            return Tick(SILENT)
        return Tick(self._last + (QUIET_AT_PROMPT if self._at_prompt else QUIET))

    def take(self, clock: Tick) -> bytes:
        """Type the next line, with its end; the line counts as busy from here."""
        end = next((i for i, byte in enumerate(self._text) if byte in b"\r\n"), len(self._text) - 1)
        if self._text[end : end + 2] == b"\r\n":
            end += 1
        line = bytes(self._text[: end + 1])
        del self._text[: end + 1]
        self._last, self._at_prompt = clock, False
        return line
