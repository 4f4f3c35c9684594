"""Character constants: text of one character counts as its number, beside a number."""

from __future__ import annotations

from vmdbg.expressions.values import ExpressionValue

_LAST = 255


def as_numbers(left: ExpressionValue, right: ExpressionValue) -> tuple[ExpressionValue, ExpressionValue]:
    """Two operands, of which one is text: unless the other is a number or a character too, they stay as they are."""
    if isinstance(left, str) and isinstance(right, str):
        numbers = character(left), character(right)
        return (left, right) if any(isinstance(one, str) for one in numbers) else numbers
    if isinstance(left, str) and isinstance(right, int | float):
        return character(left), right
    if isinstance(right, str) and isinstance(left, int | float):
        return left, character(right)
    return left, right


def character(value: ExpressionValue) -> ExpressionValue:
    """As a char of x86-64, which has a sign (System V ABI, AMD64 supplement, 3.1.2)."""
    if not isinstance(value, str) or len(value) != 1 or ord(value) > _LAST:
        return value
    return (ord(value) ^ 0x80) - 0x80
