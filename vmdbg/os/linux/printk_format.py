"""The kernel's printf formats as far as panics use them: numbers, strings, and `%pS` (lib/vsprintf.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmdbg.x86.linear_memory import UnmappedLinearError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_TEXT = 256
_CONVERSION = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\d{0,3})(?:\.(?P<precision>\d{0,3}))?(?P<length>hh|h|ll|l|z|t|j)?"
    r"(?P<kind>p[SsBF]?|[diouxXcs%])"
)


def formatted(kernel: Kernel, text: str, words: Iterator[int]) -> str:
    """The text with the arguments in `words` put in; conversions that are left without one stay as they are."""

    def put(match: re.Match[str]) -> str:
        if match["kind"] == "%":
            return "%"
        word = next(words, None)
        return match[0] if word is None else _shown(kernel, match, word)

    return _CONVERSION.sub(put, text)


def _shown(kernel: Kernel, match: re.Match[str], word: int) -> str:
    kind = match["kind"]
    if kind == "s":
        return _string(kernel, word)[: int(match["precision"]) if match["precision"] else MAX_TEXT]
    if kind == "c":
        return chr(word & 0xFF)
    if kind.startswith("p"):
        return (kernel.describe(word) if len(kind) > 1 else "") or f"{word:#x}"
    bits = {"hh": 8, "h": 16, None: 32}.get(match["length"], 64)
    number = word & (1 << bits) - 1
    if kind in "di":
        number = (number ^ 1 << bits - 1) - (1 << bits - 1)
    letter = {"i": "d", "u": "d"}.get(kind, kind)
    return f"%{match['flags']}{match['width']}{letter}" % number


def _string(kernel: Kernel, address: int) -> str:
    if not address:
        return "(null)"
    try:
        return kernel.string(address, MAX_TEXT)
    except UnmappedLinearError:
        return f"<no text at {address:#x}>"
