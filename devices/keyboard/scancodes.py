"""How the 8042 turns the keyboard's scan code set 2 into set 1 while XLATE is set.

Source: IBM PS/2 Hardware Interface Technical Reference, Keyboard and Auxiliary Device Controller, translate
table.
"""

from __future__ import annotations

BREAK_PREFIX = 0xF0
"""Set 2 announces the release of a key with it; set 1 sets bit 7 of the code instead."""

_SET_2_TO_1 = bytes.fromhex(
    "ff43413f3d3b3c586444 42403e0f2959 6538 2a70 1d10 025a 6671 2c1f 1e11 035b"
    "672e 2d20 1205 045c 6839 2f21 1413 065d 6931 3023 2215 075e 6a72 3224 1608 095f"
    "6b33 2517 180b 0a60 6c34 3526 2719 0c61 6d73 2874 1a0d 626e 3a36 1c1b 752b 6376"
    "5556 7778 797a 0e7b 7c4f 7d4b 477e 7f6f 5253 504c 4d48 0145 574e 514a 3749 4654"
)
_ABOVE_7F = {0x83: 0x41, 0x84: 0x54}


def set_2_to_1(code: int) -> int:
    """One byte through the table. Codes above 84h, and so nearly all answers to commands, pass unchanged."""
    return _SET_2_TO_1[code] if code < 0x80 else _ABOVE_7F.get(code, code)
