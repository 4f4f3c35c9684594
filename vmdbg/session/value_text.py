"""Values of expressions as people and programs read them. Both are cut short: a list may hold itself many times."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vmdbg.document.document import Json, Style, Text, hexadecimal, joined, text
from vmdbg.expressions.values import ExpressionValue, TypedValue, whole
from vmdbg.session.known_guest import KnownGuest

MAX_SHOWN = 4096
MAX_ITEMS = 256
MAX_JSON_ITEMS = 1 << 16


def value_text(guest: KnownGuest, value: ExpressionValue) -> Text:
    """A value as people read it: numbers in hexadecimal and decimal, with the symbol that they point to."""
    return _Writer(guest).text(value)


def value_json(value: ExpressionValue) -> dict[str, Json]:
    """`{"value": ...}`, with `"truncated": true` if the lists in it have more than MAX_JSON_ITEMS elements."""
    converter = _Converter()
    result: dict[str, Json] = {"value": converter.json(value)}
    return result | ({"truncated": True} if converter.truncated else {})


class _Writer:
    def __init__(self, guest: KnownGuest) -> None:
        self._guest = guest
        self._left = MAX_ITEMS

    def text(self, value: ExpressionValue) -> Text:
        match value:
            case bool() | None:
                return text(str(value), Style.NUMBER)
            case int():
                return self._integer(value)
            case str():
                return text(repr(value)[:MAX_SHOWN], Style.STRING)
            case bytes():
                shown = value[:256].hex(" ") + (" ..." if len(value) > 256 else "")
                return joined((text(shown, Style.NUMBER), text(f"  {value[:64]!r}", Style.STRING)))
            case list() | tuple() | range():
                return joined(("[", *self._items(value), "]"))
            case float():
                return text(str(value))
        return text(_in_one_line(value) if isinstance(value, TypedValue) else f"<{type(value).__name__}>")

    def _integer(self, value: int) -> Text:
        if -10 < value < 10:
            return text(str(value), Style.NUMBER)
        where = self._guest.describe(value) if value > 0xFFFF else ""
        parts: list[Text | str] = [hexadecimal(value) if value >= 0 else text(f"-{-value:#x}", Style.NUMBER)]
        parts += [text(f" = {value:,}", Style.DIM)] if abs(value) < 1 << 48 else []
        parts += [text(f" <{where}>", Style.SYMBOL)] if where else []
        return joined(parts)

    def _items(self, values: Sequence[ExpressionValue]) -> list[Text | str]:
        parts: list[Text | str] = []
        for value in values:
            parts += [", "] if parts else []
            if self._left == 0:
                return [*parts, "..."]
            self._left -= 1
            parts.append(self.text(value))
        return parts


def _in_one_line(value: TypedValue) -> str:
    """Of a struct among others, its type and where it is."""
    words, newline, _ = str(value).partition("\n")
    return f"{words}...}} at {whole(value.pointer_()):#x}" if newline else words


class _Converter:
    def __init__(self) -> None:
        self._left = MAX_JSON_ITEMS
        self.truncated = False

    def json(self, value: ExpressionValue) -> Json:
        match value:
            case bool() | str() | None:
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case bytes():
                return value.hex()
            case list() | tuple() | range():
                return self._items(value)
            case int():
                return f"{value:#x}"
        return str(value)

    def _items(self, values: Sequence[ExpressionValue]) -> list[Json]:
        kept: list[Json] = []
        for value in values:
            if self._left == 0:
                self.truncated = True
                break
            self._left -= 1
            kept.append(self.json(value))
        return kept
