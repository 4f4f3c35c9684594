"""Format letters of gdb's `x` and `p` (GDB manual, Output Formats and Memory)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from vmdbg.expressions.errors import ExpressionError

SIZES = {"b": 1, "h": 2, "w": 4, "g": 8}
LETTERS = "xduotacfsizn"
MAX_COUNT = 1 << 16


@dataclass(frozen=True, slots=True)
class Format:
    """`letter` and `size` are None where the text does not say."""

    count: int = 1
    letter: str | None = None
    size: int | None = None


def parse_format(text: str) -> Format:
    """`4xg`, `i`, `16b`. Raises ExpressionError."""
    match = re.fullmatch(r"(-?\d*)([a-z]*)", text)
    if match is None:
        raise ExpressionError(f"/{text} is no format: a count, a letter of {LETTERS} and a size of bhwg")
    letter: str | None = None
    size: int | None = None
    for character in match[2]:
        if character in SIZES and size is None:
            size = SIZES[character]
        elif character in LETTERS and letter is None:
            letter = character
        elif character in SIZES or character in LETTERS:
            raise ExpressionError(f"/{text}: {character!r} is one letter too many: a format and a size have one each")
        else:
            raise ExpressionError(f"/{text}: there is no format letter {character!r}; letters: {LETTERS}; sizes: bhwg")
    count = int(match[1]) if match[1] not in ("", "-") else 1
    if not 0 < count <= MAX_COUNT:
        raise ExpressionError(f"/{text}: the count must be from 1 to {MAX_COUNT}")
    return Format(count, letter, size)


def format_integer(value: int, letter: str, size: int) -> str:
    """An integer of `size` bytes as one of the letters writes it."""
    bits = 8 * size
    unsigned = value & (1 << bits) - 1
    signed = unsigned - (1 << bits) if unsigned >> (bits - 1) else unsigned
    match letter:
        case "x" | "a":
            return f"{unsigned:#x}"
        case "z":
            return f"{unsigned:#0{2 * size + 2}x}"
        case "d":
            return str(signed)
        case "u":
            return str(unsigned)
        case "o":
            return f"0{unsigned:o}" if unsigned else "0"
        case "t":
            return f"{unsigned:b}"
        case "c":
            return f"{signed} {chr(unsigned & 0xFF)!r}" if size == 1 or unsigned < 256 else str(signed)
        case "f":
            return _fraction(unsigned, size)
        case _:
            raise ExpressionError(f"format letter {letter!r} is not for numbers")


def _fraction(value: int, size: int) -> str:
    if size == 4:
        return repr(struct.unpack("<f", value.to_bytes(4, "little"))[0])
    if size == 8:
        return repr(struct.unpack("<d", value.to_bytes(8, "little"))[0])
    return str(value)
