"""The printf opcode: a C format string as it stands in source, checked when set and bounded when run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gdbstub.agent.frame import Frame
from gdbstub.errors import ExpressionError

MAX_WIDTH = 1024
MAX_STRING = 4096

_CONVERSION = re.compile(r"%([-+ #0]*)(\d*)(?:\.(\d*))?(hh|h|ll|l|j|z|t|q)?(.)", re.DOTALL)
_SIZE = {"hh": 8, "h": 16, None: 32}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "e": "\033", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """One % item. `spec` is what Python's % operator takes for it; `bits` is the argument's size."""

    spec: str
    letter: str
    bits: int


@lru_cache(maxsize=256)
def parse_format(text: bytes, count: int) -> tuple[str | Conversion, ...]:
    """Literal text and conversions in order. Raises ExpressionError unless exactly `count` arguments are
    taken.
    """
    source = text.decode("utf-8", "replace")
    pieces: list[str | Conversion] = []
    position = 0
    for match in _CONVERSION.finditer(source):
        pieces.append(_unescape(source[position : match.start()]))
        pieces.append("%" if match[0] == "%%" else _conversion(match))
        position = match.end()
    rest = source[position:]
    if "%" in rest:
        raise ExpressionError(f"printf format {source!r} ends inside a conversion")
    pieces.append(_unescape(rest))
    taken = sum(isinstance(piece, Conversion) for piece in pieces)
    if taken != count:
        raise ExpressionError(f"printf format {source!r} takes {taken} arguments, {count} are given")
    return tuple(piece for piece in pieces if piece)


def _conversion(match: re.Match[str]) -> Conversion:
    flags, width, precision, size, letter = match.groups()
    if letter not in "diuxXocsp":
        raise ExpressionError(f"printf conversion {match[0]!r} is not supported")
    if max(int(width or 0), int(precision or 0)) > MAX_WIDTH:
        raise ExpressionError(f"printf conversion {match[0]!r} is wider than {MAX_WIDTH}")
    bits = 64 if letter in "ps" else _SIZE.get(size, 64)
    dotted = "" if precision is None or letter == "c" else f".{precision or 0}"
    return Conversion(f"%{flags}{width}{dotted}{_PYTHON_LETTER.get(letter, letter)}", letter, bits)


_PYTHON_LETTER = {"i": "d", "u": "d", "p": "s", "c": "s"}


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8) & 0xFF)
    return _ESCAPES.get(code, code)


def format_text(pieces: Sequence[str | Conversion], arguments: Sequence[int], frame: Frame) -> str:
    """The printed text; %s reads at most MAX_STRING bytes through `frame` (MemoryAccessError)."""
    values = iter(arguments)
    return "".join(piece if isinstance(piece, str) else _one(piece, next(values), frame) for piece in pieces)


def _one(conversion: Conversion, value: int, frame: Frame) -> str:
    letter = conversion.letter
    if letter == "s":
        return conversion.spec % frame.text(value, MAX_STRING).decode("utf-8", "replace")
    if letter == "p":
        return conversion.spec % f"{value:#x}"
    if letter == "c":
        return conversion.spec % chr(value & 0xFF)
    value &= (1 << conversion.bits) - 1
    if letter in "di" and value >> (conversion.bits - 1):
        value -= 1 << conversion.bits
    if letter == "o" and "#" in conversion.spec:  # C writes 017 where Python writes 0o17
        return (conversion.spec % value).replace("0o", "0", 1)
    return conversion.spec % value
