"""What a key sends when it is pressed and released, in each of the three scan code sets.

Keys that the AT keyboard had not are told as keys that it had, in the state of its shifts in which they meant the same:
E0h and codes of shift keys that nobody touched stand around theirs. Source: IBM PS/2 Hardware Interface Technical
Reference, Keyboard (101- and 102-Key), scan code set 2; set 1 is what the 8042's table makes of that.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from devices.keyboard.key_table import BY_NAME, EXTENDED, NAVIGATION, Key, KeyType
from devices.keyboard.scancodes import BREAK_PREFIX, set_2_to_1

LED_NUM_LOCK: Final = 2
_SHIFTS: Final = (BY_NAME["shift_l"], BY_NAME["shift_r"])
_CONTROLS: Final = frozenset(BY_NAME[name].number for name in ("ctrl_l", "ctrl_r"))
_ALTS: Final = frozenset(BY_NAME[name].number for name in ("alt_l", "alt_r"))
_SHIFT_NUMBERS: Final = frozenset(key.number for key in _SHIFTS)
_PRINT, _PAUSE, _DIVIDE = BY_NAME["print"], BY_NAME["pause"], BY_NAME["kp_divide"]
_SYSRQ, _BREAK = 0x84, 0x7E
_FAKE_SHIFT: Final = bytes((EXTENDED, 0x12))
_PAUSE_MAKES: Final = bytes.fromhex("e11477e1f014f077")


def make_codes(key: Key, scancode_set: int, held: Collection[int], leds: int) -> bytes:
    """`held` are the numbers of the other keys that are down, `leds` as the system has set them."""
    if scancode_set == 3:
        return bytes((key.set_3,))
    return _in_set(scancode_set, _make_2(key, held, leds))


def break_codes(key: Key, scancode_set: int, held: Collection[int], leds: int, key_type: KeyType) -> bytes:
    """`key_type` is for set 3 alone; `held` are those that stay down."""
    if scancode_set == 3:
        breaks = key_type in (KeyType.MAKE_BREAK, KeyType.TYPEMATIC_MAKE_BREAK)
        return bytes((BREAK_PREFIX, key.set_3)) if breaks else b""
    return _in_set(scancode_set, _break_2(key, held, leds))


def repeats(key: Key, scancode_set: int, key_type: KeyType) -> bool:
    """Whether it is typematic."""
    if scancode_set == 3:
        return key_type in (KeyType.TYPEMATIC, KeyType.TYPEMATIC_MAKE_BREAK)
    return key is not _PAUSE


def _make_2(key: Key, held: Collection[int], leds: int) -> bytes:
    if key is _PAUSE:
        return bytes((EXTENDED, _BREAK, EXTENDED, BREAK_PREFIX, _BREAK)) if _CONTROLS & set(held) else _PAUSE_MAKES
    if key is _PRINT and _ALTS & set(held):
        return bytes((_SYSRQ,))
    before, _ = _around(key, held, leds)
    return before + _plain(key)


def _break_2(key: Key, held: Collection[int], leds: int) -> bytes:
    if key is _PAUSE:
        return b""
    if key is _PRINT and _ALTS & set(held):
        return bytes((BREAK_PREFIX, _SYSRQ))
    _, after = _around(key, held, leds)
    code = bytes((BREAK_PREFIX, key.code))
    return (bytes((EXTENDED,)) + code if key.extended else code) + after


def _plain(key: Key) -> bytes:
    return key.set_2.to_bytes(2, "big") if key.extended else bytes((key.code,))


def _around(key: Key, held: Collection[int], leds: int) -> tuple[bytes, bytes]:
    """Codes of shifts before the make code, and after the break code."""
    down = [shift for shift in _SHIFTS if shift.number in held]
    if key is _PRINT:
        both = _CONTROLS | _SHIFT_NUMBERS
        return (b"", b"") if both & set(held) else (_FAKE_SHIFT, _released(_FAKE_SHIFT[1]))
    if key.number in NAVIGATION and leds & LED_NUM_LOCK:
        return (b"", b"") if down else (_FAKE_SHIFT, _released(_FAKE_SHIFT[1]))
    if (key.number in NAVIGATION or key is _DIVIDE) and down:
        up = b"".join(_released(shift.code) for shift in down)
        return up, b"".join(bytes((EXTENDED, shift.code)) for shift in reversed(down))
    return b"", b""


def _released(code: int) -> bytes:
    return bytes((EXTENDED, BREAK_PREFIX, code))


def _in_set(scancode_set: int, codes: bytes) -> bytes:
    """Codes of set 2 in set 1 or 2."""
    if scancode_set == 2:
        return codes
    translated, broken = bytearray(), 0
    for code in codes:
        if code == BREAK_PREFIX:
            broken = 0x80
        else:
            translated.append(set_2_to_1(code) | broken)
            broken = 0
    return bytes(translated)
