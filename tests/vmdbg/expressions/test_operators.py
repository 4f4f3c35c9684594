"""Python's operators, within bounds."""

from __future__ import annotations

import ast
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.operators import BINARY, MAX_BITS, MAX_LENGTH

PYTHONS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip


@given(st.sampled_from(sorted(PYTHONS, key=lambda kind: kind.__name__)), st.integers(), st.integers().filter(bool))
def test_numbers_are_as_in_python(kind: type[ast.operator], left: int, right: int) -> None:
    assert BINARY[kind](left, right) == PYTHONS[kind](left, right)


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        (ast.LShift, 1, MAX_BITS),
        (ast.Pow, 2, MAX_BITS),
        (ast.Pow, 10, 1 << 40),
        (ast.Mult, 1 << MAX_BITS // 2, 1 << MAX_BITS // 2),
        (ast.Mult, "ab", MAX_LENGTH),
        (ast.Mult, MAX_LENGTH + 1, [0]),
        (ast.Add, b"a" * MAX_LENGTH, b"b"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_would_exhaust_the_host_is_refused_at_once(kind: type[ast.operator], left: object, right: object) -> None:
    with pytest.raises(ExpressionError):
        BINARY[kind](left, right)


def test_percent_does_not_format() -> None:
    with pytest.raises(ExpressionError, match="does not format"):
        BINARY[ast.Mod]("%99999999d", 1)
