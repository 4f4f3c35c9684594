"""C's constants in Python's spelling: `1UL`, `0x10ull`, `0.1f`, `010`."""

from __future__ import annotations

import math
import re

from vmdbg.c.fractions import single

_INTEGER = re.compile(r"(?P<digits>0[xX][\da-fA-F]+|0[bB][01]+|\d+)(?P<suffix>[uU]?(?:ll|LL|[lL])?|(?:ll|LL|[lL])[uU])")
_FRACTION = re.compile(r"(?P<number>(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)(?P<suffix>[fFlL])")


def python_number(text: str) -> str:
    """The text itself where it is none of C's. An octal one begins with 0; `f` rounds to 32 bits (C17 6.4.4)."""
    if (found := _INTEGER.fullmatch(text)) is not None:
        return _digits(found["digits"])
    found = _FRACTION.fullmatch(text)
    if found is None:
        return text
    number = float(found["number"])
    if found["suffix"] in "fF":
        number = single(number)
    return repr(number) if math.isfinite(number) else "1e999"


def unsigned(sign: str, text: str) -> str | None:
    """`~0u` and `-1UL`, which are unsigned of 32 or 64 bits; None for a sign before any other constant."""
    found = _INTEGER.fullmatch(text)
    if found is None or "u" not in found["suffix"].lower() or sign not in ("~", "-"):
        return None
    number = int(_digits(found["digits"]), 0)
    bits = 64 if "l" in found["suffix"].lower() or number >> 32 else 32
    return str((~number if sign == "~" else -number) & (1 << bits) - 1)


def _digits(text: str) -> str:
    octal = len(text) > 1 and text[0] == "0" and text.isdigit() and not set(text) & {"8", "9"}
    return f"0o{text[1:]}" if octal else text
