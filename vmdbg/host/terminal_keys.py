"""What a terminal sends for keys, as the keys of a PC. Source: xterm, Control Sequences: PC-style function keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devices.keyboard.layout_us import Chord, parse_chord, typed_chords

_FINAL = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "P": "f1", "Q": "f2", "R": "f3",
    "S": "f4", "M": "kp_enter",
}  # fmt: skip
_NUMBERED = {
    1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pgup", 6: "pgdn", 7: "home", 8: "end", 11: "f1", 12: "f2",
    13: "f3", 14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10", 23: "f11", 24: "f12",
}  # fmt: skip
_SEQUENCE = re.compile(r"\x1b(?:\[\[(?P<console>[A-E])|[\[O](?P<numbers>[0-9;]*)(?P<final>[A-Z~]))")
_MODIFIERS = ((1, "shift"), (2, "alt"), (4, "ctrl"), (8, "meta"))


def keys_of(data: bytes) -> tuple[list[Chord], str]:
    """The chords, and the characters that no US keyboard types. Escape is a key where nothing follows it."""
    chords, strange = [], ""
    for part in _parts(data.decode("utf-8", "replace")):
        chord = _chord(part)
        if chord is None:
            strange += part
        else:
            chords.append(chord)
    return chords, strange


def _parts(text: str) -> Iterator[str]:
    """Characters, and what belongs to one key; with Alt an escape is before it."""
    at = 0
    while at < len(text):
        found = _SEQUENCE.match(text, at)
        end = (
            found.end()
            if found
            else at + (2 if text[at] == "\x1b" and text[at + 1 : at + 2] not in ("", "\x1b") else 1)
        )
        yield text[at:end]
        at = end


def _chord(part: str) -> Chord | None:
    found = _SEQUENCE.fullmatch(part)
    if found:
        return _of_sequence(found)
    try:
        if len(part) == 2:
            return (*parse_chord("alt"), *typed_chords(part[1])[0])
        return parse_chord("backspace") if part == "\x7f" else typed_chords(part)[0]
    except ValueError:
        return None


def _of_sequence(found: re.Match[str]) -> Chord | None:
    if found["console"]:
        return parse_chord(f"f{ord(found['console']) - 0x40}")
    numbers = [int(word) if word else 1 for word in (found["numbers"] or "1").split(";")]
    if found["final"] == "Z":
        return parse_chord("shift-tab")
    key = _NUMBERED.get(numbers[0]) if found["final"] == "~" else _FINAL.get(found["final"])
    if key is None:
        return None
    bits = numbers[1] - 1 if len(numbers) > 1 else 0
    return parse_chord("-".join([name for bit, name in _MODIFIERS if bits & bit] + [key]))
