"""Format letters and templates."""

from __future__ import annotations

import pytest

from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.formats import Format, format_integer, parse_format


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Format()),
        ("4i", Format(4, "i")),
        ("8xg", Format(8, "x", 8)),
        ("gx", Format(1, "x", 8)),
        ("16b", Format(16, None, 1)),
    ],
)
def test_count_letter_size(text: str, meant: Format) -> None:
    assert parse_format(text) == meant


@pytest.mark.parametrize("text", ["q", "0x", "99999999x", "4 i"])
def test_what_is_no_format(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_format(text)


@pytest.mark.parametrize(
    ("value", "letter", "size", "shown"),
    [
        (255, "x", 1, "0xff"),
        (255, "d", 1, "-1"),
        (255, "u", 1, "255"),
        (8, "o", 1, "010"),
        (5, "t", 1, "101"),
        (5, "z", 2, "0x0005"),
        (65, "c", 1, "65 'A'"),
        (0x3F800000, "f", 4, "1.0"),
        (0x3FF0000000000000, "f", 8, "1.0"),
    ],
)
def test_letters(value: int, letter: str, size: int, shown: str) -> None:
    assert format_integer(value, letter, size) == shown
