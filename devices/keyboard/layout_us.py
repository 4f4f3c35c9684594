"""What a user calls keys: text as a US keyboard types it, and names as `ctrl-alt-f2`."""

from __future__ import annotations

import difflib
import string
from typing import Final

from devices.keyboard.key_table import BY_NAME

Chord = tuple[int, ...]
"""Keys by number, that are pressed one after the other and released in the other order."""

_SIGNS: Final = {
    "`": "grave", "-": "minus", "=": "equal", "\\": "backslash", "[": "bracket_left", "]": "bracket_right",
    ";": "semicolon", "'": "apostrophe", ",": "comma", ".": "dot", "/": "slash", " ": "space",
}  # fmt: skip
_ENDS: Final = {"\r": "enter", "\n": "enter", "\b": "backspace", "\x7f": "backspace", "\t": "tab", "\x1b": "esc"}
_SHIFTED: Final = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True))
_ALIASES: Final = {
    "ctrl": "ctrl_l", "control": "ctrl_l", "shift": "shift_l", "alt": "alt_l", "altgr": "alt_r", "win": "meta_l",
    "super": "meta_l", "meta": "meta_l", "gui": "meta_l", "escape": "esc", "return": "enter", "ret": "enter",
    "del": "delete", "ins": "insert", "page_up": "pgup", "pageup": "pgup", "page_down": "pgdn", "pagedown": "pgdn",
    "spc": "space", "bs": "backspace", "sysrq": "print", "print_screen": "print", "break": "pause",
    "caps": "caps_lock", "capslock": "caps_lock", "numlock": "num_lock", "scrolllock": "scroll_lock", "period": "dot",
    "bracketleft": "bracket_left", "bracketright": "bracket_right", "volumeup": "volume_up",
    "volumedown": "volume_down",
}  # fmt: skip


def typed_chords(text: str) -> list[Chord]:
    """A chord a character. Raises ValueError for one that no key types."""
    return [_chord_of(character) for character in text]


def parse_chord(text: str) -> Chord:
    """`ctrl-alt-f2`: names of keys or the signs on them, with `-` between. Raises ValueError with the nearest names."""
    names = text.split("-")
    if text.endswith("-"):  # the sign itself, alone or last
        names[-2:] = ["minus"]
    chord = tuple(_number(name, text) for name in names)
    if len(set(chord)) != len(chord):
        raise ValueError(f"{text!r} has a key twice")
    return chord


def key_names() -> list[str]:
    return list(BY_NAME)


def _number(name: str, whole: str) -> int:
    known = _SIGNS.get(name) or _ALIASES.get(name.lower(), name.lower())
    key = BY_NAME.get(known)
    if key is not None:
        return key.number
    where = "" if name == whole else f" in {whole!r}"
    near = difflib.get_close_matches(name.lower(), [*BY_NAME, *_ALIASES], n=3)
    hint = f"; near it: {', '.join(near)}" if near else "; `send-keys --list` has them all"
    raise ValueError(f"there is no key {name[:40]!r}{where}{hint}")


def _chord_of(character: str) -> Chord:
    base = _SHIFTED.get(character, character)
    if base in string.ascii_uppercase:
        return _chord("shift_l", base.lower())
    if character in _SHIFTED:
        return _chord("shift_l", _SIGNS.get(base, base))
    if base in _ENDS or base in _SIGNS:
        return _chord(_ENDS.get(base) or _SIGNS[base])
    if base in string.ascii_lowercase or base in string.digits:
        return _chord(base)
    if "\x01" <= character <= "\x1a":
        return _chord("ctrl_l", chr(ord(character) | 0x60))
    raise ValueError(f"no key of a US keyboard types {character!r}")


def _chord(*names: str) -> Chord:
    return tuple(BY_NAME[name].number for name in names)
