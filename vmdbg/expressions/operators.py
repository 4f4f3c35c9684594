"""Python's operators, held to sizes that no typing mistake can exhaust the host with."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from vmdbg.expressions.errors import ExpressionError

MAX_BITS = 1 << 16
MAX_LENGTH = 1 << 20

_SEQUENCES = (str, bytes, list, tuple)

Binary = Callable[[Any, Any], Any]


def _add(left: Any, right: Any) -> Any:
    if type(left) is not int and isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
        _check_length(len(left) + len(right))
    return left + right


def _shift_left(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right > MAX_BITS:
        raise ExpressionError(f"a shift by {right} is too far")
    return left << right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MAX_BITS:
        raise ExpressionError("the power is too large")
    return left**right


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise ExpressionError("the product is too large")
        return left * right
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, _SEQUENCES) and isinstance(times, int):
            _check_length(len(sequence) * times)
    return left * right


def _check_length(length: int) -> None:
    if length > MAX_LENGTH:
        raise ExpressionError(f"the result would have {length} elements (at most {MAX_LENGTH})")


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes):
        raise ExpressionError('% does not format here; use print "{expression:format}"')
    return left % right


BINARY: dict[type[ast.operator], Binary] = {
    ast.Add: _add,
    ast.Sub: operator.sub,
    ast.Mult: _multiply,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: _modulo,
    ast.Pow: _power,
    ast.LShift: _shift_left,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
COMPARE: dict[type[ast.cmpop], Binary] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
