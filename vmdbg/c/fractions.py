"""Floating-point numbers as objects of C have them (IEEE 754)."""

from __future__ import annotations

import math
import struct

FORMATS = {2: "<e", 4: "<f", 8: "<d"}
"""Of those that Python packs, by their size in bytes."""


def fraction(raw: bytes) -> float:
    """By size; the x87's 80 bits come in 12 or 16 bytes."""
    form = FORMATS.get(len(raw))
    if form is not None:
        return float(struct.unpack(form, raw)[0])
    mantissa, exponent = int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:10], "little")
    sign = -1.0 if exponent >> 15 else 1.0
    exponent &= 0x7FFF
    if exponent == 0x7FFF:
        return math.nan if mantissa << 1 & (1 << 64) - 1 else sign * math.inf
    try:
        return sign * math.ldexp(mantissa, exponent - 16383 - 63)
    except OverflowError:
        return sign * math.inf


def single(number: float) -> float:
    """Rounded to 32 bits; what is too large for them is infinite."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)
