"""The bytes of a C object that is given another value."""

from __future__ import annotations

import struct

from vmdbg.c.fractions import FORMATS
from vmdbg.c.types import AGGREGATES, CType, Kind
from vmdbg.errors import UserError


def encoded(value: int | float | str | bytes, type_: CType) -> bytes:
    """What assigning `value` to an object of that type stores. Text is for arrays of characters, with the zero behind
    it if there is room; a single character is its code. Bytes are stored as they are. Raises UserError for what the
    object cannot hold: a number that is too large for it is not cut.
    """
    stripped = type_.strip()
    size = stripped.size
    if isinstance(value, str) and stripped.kind is Kind.ARRAY and stripped.element.is_character:
        value = value.encode()
        value += b"\0" * (len(value) < size)
    if isinstance(value, bytes):
        return _whole(value, type_, size)
    if stripped.kind is Kind.ARRAY or stripped.kind in AGGREGATES or not size:
        raise UserError(f"{type_} has parts: set them one by one")
    if isinstance(value, str):
        value = _code(value, type_)
    if stripped.kind is Kind.FLOAT:
        return _fraction(value, type_, size)
    return _integer(int(bool(value)) if stripped.is_bool else _cut(value, type_), size)


def _whole(data: bytes, type_: CType, size: int) -> bytes:
    if len(data) > size:
        raise UserError(f"{len(data)} bytes do not fit {type_}, which has {size}")
    return data


def _code(text: str, type_: CType) -> int:
    is_pointer = type_.strip().kind is Kind.POINTER
    if len(text) == 1 and not is_pointer:
        return ord(text)
    where = "; `edit POINTER TEXT` writes to where it points" if is_pointer else ""
    raise UserError(f"{type_} holds no text{where}")


def _fraction(value: int | float, type_: CType, size: int) -> bytes:
    if size not in FORMATS:
        raise UserError(f"{type_} is set by its bytes: b'...'")
    try:
        return struct.pack(FORMATS[size], value)
    except (OverflowError, struct.error):
        raise UserError(f"{value} does not fit {type_}") from None


def _cut(value: int | float, type_: CType) -> int:
    """Towards zero, as C does."""
    try:
        return int(value)
    except (OverflowError, ValueError):
        raise UserError(f"{value} does not fit {type_}") from None


def _integer(number: int, size: int) -> bytes:
    if not 1 <= size <= 64 or not -(1 << 8 * size - 1) <= number < 1 << 8 * size:
        raise UserError(f"{number:#x} does not fit {size} bytes")
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little")
