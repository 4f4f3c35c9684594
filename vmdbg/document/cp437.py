"""The characters of the PC's own font, as text that a terminal can be given: none is a control character."""

from __future__ import annotations

from typing import Final

_LOW: Final = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CP437: Final = _LOW + bytes(range(0x20, 0x7F)).decode() + "⌂" + bytes(range(0x80, 0xFF)).decode("cp437") + " "
"""By code. Source: IBM code page 437, with the pictures that the font has below 20h."""
