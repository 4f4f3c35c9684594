"""The keys of an enhanced keyboard (101 to 104 keys, the 102nd of European ones, volume keys) and their codes.

Sources: IBM PS/2 Hardware Interface Technical Reference, Keyboard (101- and 102-Key), scan code sets 2 and 3 and the
default types of keys in set 3. Codes of the volume keys in set 3 are those that Linux' atkbd knows.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

EXTENDED: Final = 0xE0


class KeyType(enum.IntEnum):
    """What a key of scan code set 3 sends besides its make code."""

    TYPEMATIC = 0
    MAKE_BREAK = 1
    MAKE_ONLY = 2
    TYPEMATIC_MAKE_BREAK = 3


@dataclass(frozen=True, slots=True)
class Key:
    """`set_2` is the make code, after E0h if it is above FFh; `set_3` that of set 3, which knows no prefix."""

    number: int
    name: str
    set_2: int
    set_3: int
    type: KeyType

    @property
    def extended(self) -> bool:
        return self.set_2 > 0xFF

    @property
    def code(self) -> int:
        """Of set 2, without its prefix."""
        return self.set_2 & 0xFF


_T, _MB, _M = KeyType.TYPEMATIC, KeyType.MAKE_BREAK, KeyType.MAKE_ONLY
_ROWS: tuple[tuple[str, int, int, KeyType], ...] = (
    *((letter, code, code, _T) for letter, code in zip(
        "abcdefghijklmnopqrstuvwxyz",
        bytes.fromhex("1c32212324 2b3433433b 424b3a3144 4d152d1b2c 3c2a1d2235 1a"), strict=True)),
    *((digit, code, code, _T) for digit, code in zip(
        "0123456789", bytes.fromhex("45161e2625 2e363d3e46"), strict=True)),
    ("grave", 0x0E, 0x0E, _T), ("minus", 0x4E, 0x4E, _T), ("equal", 0x55, 0x55, _T), ("backslash", 0x5D, 0x5C, _T),
    ("bracket_left", 0x54, 0x54, _T), ("bracket_right", 0x5B, 0x5B, _T), ("semicolon", 0x4C, 0x4C, _T),
    ("apostrophe", 0x52, 0x52, _T), ("comma", 0x41, 0x41, _T), ("dot", 0x49, 0x49, _T), ("slash", 0x4A, 0x4A, _T),
    ("less", 0x61, 0x13, _T), ("space", 0x29, 0x29, _T), ("tab", 0x0D, 0x0D, _T), ("enter", 0x5A, 0x5A, _T),
    ("backspace", 0x66, 0x66, _T), ("esc", 0x76, 0x08, _M),
    ("caps_lock", 0x58, 0x14, _MB), ("shift_l", 0x12, 0x12, _MB), ("shift_r", 0x59, 0x59, _MB),
    ("ctrl_l", 0x14, 0x11, _MB), ("alt_l", 0x11, 0x19, _MB), ("ctrl_r", 0xE014, 0x58, _M), ("alt_r", 0xE011, 0x39, _M),
    ("meta_l", 0xE01F, 0x8B, _MB), ("meta_r", 0xE027, 0x8C, _MB), ("menu", 0xE02F, 0x8D, _MB),
    *((f"f{number}", code, set_3, _M) for number, code, set_3 in zip(
        range(1, 13), bytes.fromhex("050604 0c030b 830a01 097807"), bytes.fromhex("070f17 1f272f 373f47 4f565e"),
        strict=True)),
    ("print", 0xE07C, 0x57, _M), ("scroll_lock", 0x7E, 0x5F, _M), ("pause", 0xE077, 0x62, _M),
    ("insert", 0xE070, 0x67, _M), ("home", 0xE06C, 0x6E, _M), ("pgup", 0xE07D, 0x6F, _M),
    ("delete", 0xE071, 0x64, _T), ("end", 0xE069, 0x65, _M), ("pgdn", 0xE07A, 0x6D, _M),
    ("up", 0xE075, 0x63, _T), ("left", 0xE06B, 0x61, _T), ("down", 0xE072, 0x60, _T), ("right", 0xE074, 0x6A, _T),
    ("num_lock", 0x77, 0x76, _M), ("kp_divide", 0xE04A, 0x77, _M), ("kp_multiply", 0x7C, 0x7E, _M),
    ("kp_subtract", 0x7B, 0x84, _M), ("kp_add", 0x79, 0x7C, _T), ("kp_enter", 0xE05A, 0x79, _M),
    ("kp_decimal", 0x71, 0x71, _M),
    *((f"kp_{number}", code, code, _M) for number, code in enumerate(bytes.fromhex("7069727a6b 73746c757d"))),
    ("mute", 0xE023, 0x9C, _M), ("volume_down", 0xE021, 0x9D, _T), ("volume_up", 0xE032, 0x95, _T),
)  # fmt: skip
KEYS: Final = tuple(Key(number, *row) for number, row in enumerate(_ROWS))
"""By number. Recordings name keys by it: new ones come at the end."""
BY_NAME: Final = {key.name: key for key in KEYS}
BY_SET_3: Final = {key.set_3: key for key in KEYS}
NAVIGATION: Final = frozenset(
    BY_NAME[name].number
    for name in ("insert", "home", "pgup", "delete", "end", "pgdn", "up", "left", "down", "right")
)  # fmt: skip
"""Those that keyboards before had on the keypad alone."""
