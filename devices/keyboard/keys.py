"""Keys as a US keyboard sends them: text to the make and break codes of scan code set 2.

Source: IBM PS/2 Hardware Interface Technical Reference, Keyboard (101- and 102-Key), scan code set 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.keyboard.scancodes import BREAK_PREFIX

MOST_CODES = 1 << 16
_SHIFT, _CONTROL = 0x12, 0x14
_CODES = dict(
    zip(
        "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./",
        bytes.fromhex("0e161e26252e363d3e46454e55151d242d2c353c43444d545b5d1c1b232b34333b424b4c521a22212a32313a41494a"),
        strict=True,
    )
) | {" ": 0x29, "\r": 0x5A, "\n": 0x5A, "\b": 0x66, "\x7f": 0x66, "\t": 0x0D, "\x1b": 0x76}
_SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))


@dataclass(frozen=True, slots=True)
class KeyInput:
    """Bytes that the keyboard sends, in scan code set 2: make codes, and break codes behind F0h."""

    codes: bytes

    def __post_init__(self) -> None:
        if len(self.codes) > MOST_CODES:
            raise ValueError(f"{len(self.codes)} codes are more than the {MOST_CODES} that are taken at once")

    @property
    def device(self) -> str:
        return "i8042"


def typed_keys(text: str) -> bytes:
    """What pressing and releasing keys for each character sends. Raises ValueError for one that no key types."""
    return b"".join(_pressed(character) for character in text)


def _pressed(character: str) -> bytes:
    if character in _CODES:
        return _held(_CODES[character])
    if character in _SHIFTED:
        return _held(_SHIFT, _CODES[_SHIFTED[character]])
    if "A" <= character <= "Z":
        return _held(_SHIFT, _CODES[character.lower()])
    if "\x01" <= character <= "\x1a":
        return _held(_CONTROL, _CODES[chr(ord(character) | 0x60)])
    raise ValueError(f"no key of a US keyboard types {character!r}")


def _held(*keys: int) -> bytes:
    """All pressed in this order, and released in the other."""
    return bytes(keys) + b"".join(bytes((BREAK_PREFIX, key)) for key in reversed(keys))
