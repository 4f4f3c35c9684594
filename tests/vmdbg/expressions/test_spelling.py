"""Spellings of gdb and C, put into Python's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.expressions.spelling import DOLLAR, hexadecimal, python_spelling, split_colon


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a->b->c", "a.b.c"),
        ("a && !b || c", "a && !b || c"),
        ("a %b", "a %b"),
        ("f(1) %b + c[2]%d", "f(1) %b + c[2]%d"),
        ("not %b and %c", f"not {DOLLAR}b and {DOLLAR}c"),
        ("a != b", "a != b"),
        ("$rax + %rbx", f"{DOLLAR}rax + {DOLLAR}rbx"),
        ("rax % 3", "rax % 3"),
        ("rax = 3", "rax = 3"),
        ("'a->b && c' == \"$x\"", "'a->b && c' == \"$x\""),
    ],
)
def test_operators(typed: str, meant: str) -> None:
    assert python_spelling(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("10", "0x10"), ("e05b", "0xe05b"), ("0x10", "0x10"), ("7c00h", "0x7c00"), ("si + 1c", "si + 0x1c"),
     ("b800", "0xb800"), ("(add)", "(add)"), ("add + 2", "add + 0x2"), ("'12'", "'12'")],
)  # fmt: skip
def test_sides_of_a_segment_and_an_offset_are_hexadecimal(typed: str, meant: str) -> None:
    assert hexadecimal(typed) == meant


@pytest.mark.parametrize(
    ("text", "sides"),
    [("cs:ip", ("cs", "ip")), ("f000 : fff0", ("f000", "fff0")), ("file.c:12", ("file.c", "12")), ("a[1:2]", None),
     ("mem[0:4]:1", ("mem[0:4]", "1")), ("'a:b'", None), ("'a:b':c", ("'a:b'", "c")), ("", None),
     ("a:b:c", ("a", "b:c")), ("a ? b : c", None), ("a ? b ? c : d : e : f", ("a ? b ? c : d : e", "f"))],
)  # fmt: skip
def test_the_first_colon_outside_brackets_and_quotes_parts(text: str, sides: tuple[str, str] | None) -> None:
    assert split_colon(text) == sides


@given(st.text(alphabet="a1x'\"([{)]}:->&|!=$% \\", max_size=30))
def test_any_text_comes_to_an_end_and_loses_no_word(text: str) -> None:
    assert python_spelling(text).count("a") >= text.count("a")
    assert hexadecimal(text).count("1") == text.count("1")
    sides = split_colon(text)
    assert sides is None or all(side in text for side in sides)
