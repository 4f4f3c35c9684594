"""What a user types at the PC's keyboard, as the inputs that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from devices.keyboard.keys import PAUSE_NS, KeyEvents, held, strokes
from devices.keyboard.layout_us import parse_chord, typed_chords
from vmdbg.errors import UserError
from vmdbg.units import TICKS_PER_SECOND

LONGEST_HOLD = 3600
"""Seconds."""


_BEYOND_ASCII = re.compile(r"([^\x00-\x7f]+)")


def unescaped(text: str) -> str:
    """Characters, with escapes as Python has them as what they stand for. Raises UserError for others."""
    return "".join(found for found, _ in _pieces(text))


def unescaped_bytes(text: str) -> bytes:
    """As a terminal sends them: characters in UTF-8. `\\xNN` is a byte. Raises UserError, for wider escapes too."""
    made = b""
    for found, is_escaped in _pieces(text):
        try:
            made += found.encode("latin-1") if is_escaped else found.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise UserError(f"{text!r} has an escape that is no byte: write the character itself") from error
    return made


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """What escapes stand for, among ASCII, and what has none."""
    for index, piece in enumerate(_BEYOND_ASCII.split(text)):
        if index % 2:
            yield piece, False
            continue
        try:
            yield piece.encode("ascii").decode("unicode_escape"), True
        except UnicodeDecodeError as error:
            raise UserError(f"{text!r} has an escape that is none: {error}") from error


def typed_events(text: str, pause: int = PAUSE_NS) -> KeyEvents:
    """Raises UserError for what no key types, and for too much."""
    try:
        return strokes(typed_chords(text), pause)
    except ValueError as error:
        raise UserError(str(error)) from None


def pressed_events(chords: Sequence[str], hold: float = 0, pause: int = PAUSE_NS) -> tuple[KeyEvents, ...]:
    """Chords as `ctrl-alt-f2`, one after the other; `hold` in seconds, 0 for as long as a key is usually down.

    Raises UserError.
    """
    if not 0 <= hold <= LONGEST_HOLD:
        raise UserError(f"keys are held for 0 to {LONGEST_HOLD} seconds, not for {hold:g}")
    try:
        parsed = [parse_chord(text) for text in chords]
        if not hold:
            return (strokes(parsed, pause),)
        return tuple(event for chord in parsed for event in held(chord, round(hold * TICKS_PER_SECOND), pause))
    except ValueError as error:
        raise UserError(str(error)) from None
