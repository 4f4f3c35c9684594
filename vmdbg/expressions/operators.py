"""Python's operators, held to sizes that no typing mistake can exhaust the host with."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator

from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.values import ExpressionValue

MAX_BITS = 1 << 16
MAX_LENGTH = 1 << 20

_SEQUENCES = (str, bytes, list, tuple)

Operation = Callable[..., ExpressionValue]
"""Operands that it does not take it refuses itself, with a TypeError."""


def _add(left: ExpressionValue, right: ExpressionValue) -> ExpressionValue:
    if type(left) is not int and isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
        _check_length(len(left) + len(right))
    made: ExpressionValue = operator.add(left, right)
    return made


def _shift_left(left: ExpressionValue, right: ExpressionValue) -> ExpressionValue:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right > MAX_BITS:
        raise ExpressionError(f"a shift by {right} is too far")
    made: ExpressionValue = operator.lshift(left, right)
    return made


def _power(left: ExpressionValue, right: ExpressionValue) -> ExpressionValue:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MAX_BITS:
        raise ExpressionError("the power is too large")
    made: ExpressionValue = operator.pow(left, right)
    return made


def _multiply(left: ExpressionValue, right: ExpressionValue) -> ExpressionValue:
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise ExpressionError("the product is too large")
        return left * right
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, _SEQUENCES) and isinstance(times, int):
            _check_length(len(sequence) * times)
    made: ExpressionValue = operator.mul(left, right)
    return made


def _check_length(length: int) -> None:
    if length > MAX_LENGTH:
        raise ExpressionError(f"the result would have {length} elements (at most {MAX_LENGTH})")


def _modulo(left: ExpressionValue, right: ExpressionValue) -> ExpressionValue:
    if isinstance(left, str | bytes):
        raise ExpressionError('% does not format here; use print "{expression:format}"')
    made: ExpressionValue = operator.mod(left, right)
    return made


BINARY: dict[type[ast.operator], Operation] = {
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
UNARY: dict[type[ast.unaryop], Operation] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
COMPARE: dict[type[ast.cmpop], Operation] = {
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
ELEMENT: Operation = operator.getitem
ELEMENTS: Callable[..., Iterator[ExpressionValue]] = iter
