"""C's operators of low rank and its constants, against what the C compiler makes of the same words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.expressions.c_forms import c_forms
from vmdbg.expressions.c_operators import c_operators
from vmdbg.expressions.literals import python_number, unsigned


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a ? b : c", "((b) if (a) else (c))"),
        ("a ? b : c ? d : e", "((b) if (a) else (((d) if (c) else (e))))"),
        ("mem[a ? b : c : d]", "mem[ ((b) if (a) else (c)) : d]"),
        ("f(a && b, 1)", "f( (not not (a and  b)), 1)"),
        ("a && b ? c : d", "((c) if ((not not (a and  b))) else (d))"),
        ("!a == b", "(not a) == b"),
        ("!(int)*p", '(not cast("int", deref(p)))'),
        ("[x ? 1 : 2 for x in y if x || z]", "[ ((1) if (x) else (2)) for x in y if (not not (x or  z))]"),
        ("a if b else c", "a if b else c"),
        ("'a ? b : c && d'", "'a ? b : c && d'"),
        ("a ? b", "a ? b"),
        ("(u32)x + 1", 'cast("u32", x) + 1'),
        ("(u32)-x", 'cast("u32", -x)'),
        ("(pid_t)-1", 'cast("pid_t", -1)'),
        ("(size) - 1", "(size) - 1"),
        ("(u32)(x)", 'cast("u32", (x))'),
        ("(colour)2", 'cast("colour", 2)'),
        ("sizeof(int *)", 'sizeof("int *")'),
        ("sizeof(x) * 2", "sizeof(x) * 2"),
        ("(a) and (b)", "(a) and (b)"),
        ("x - 1u", "x - 1"),
        ("x & ~0xffu", "x & 4294967040"),
        ("-1UL", "18446744073709551615"),
    ],
)
def test_forms(typed: str, meant: str) -> None:
    assert c_forms(typed) == meant


@pytest.mark.parametrize(
    ("typed", "number"),
    [("1u", 1), ("1UL", 1), ("0x10ull", 16), ("0xFFLU", 255), ("010", 8), ("0", 0), ("00", 0), ("7lu", 7), ("0b11u", 3),
     ("1.5f", 1.5), ("2.0L", 2.0), (".5f", 0.5), ("1e3f", 1000.0), ("12", 12), ("1_000", 1000)],
)  # fmt: skip
def test_constants(typed: str, number: float) -> None:
    assert float(eval(python_number(typed))) == number  # of text that this test has chosen


def test_a_constant_of_32_bits_is_rounded_to_them() -> None:
    assert float(python_number("0.1f")) == 0.100000001490116119384765625
    assert float(python_number("1e300f")) == float("inf")


@pytest.mark.parametrize("text", ["09", "1lll", "1ulu", "1f", "0x1g", "1uf", "1.0u"])
def test_what_is_no_constant_of_c_stays_as_it_is(text: str) -> None:
    assert python_number(text) == text


def test_only_unsigned_constants_have_a_width() -> None:
    assert unsigned("~", "0u") == str((1 << 32) - 1)
    assert unsigned("~", "0x100000000u") == str((1 << 64) - 1 - (1 << 32))
    assert unsigned("~", "0") is None
    assert unsigned("*", "1u") is None


@given(st.text(alphabet="?:&|!()[]ab 1,'\"for", max_size=60))
def test_any_text_comes_to_an_end_and_loses_no_name(text: str) -> None:
    assert c_operators(text).count("a") >= text.count("a")
    c_forms(text)


def test_deep_nests_come_to_an_end() -> None:
    for text in ("(" * 5000 + "a ? b : c", "a ? " * 3000 + "b" + " : c" * 3000, "a && " * 3000 + "b"):
        assert c_operators(text).count("a") >= text.count("a")
