"""What a program's variable stands for in an expression: where it lies, or what it holds."""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Sized

from vmdbg.c.extent import Sort
from vmdbg.expressions.values import ExpressionValue, Placed


class Wanted(enum.Enum):
    """Of an expression, or of a part of one.

    PLACE: an address, so that `mailbox + 0x10` is 16 bytes into mailbox. POINTER: what is pointed to, so a pointer is
    what it holds. VALUE: what C would take the variable for; a struct is its address there, as it is no number.
    """

    PLACE = enum.auto()
    POINTER = enum.auto()
    VALUE = enum.auto()

    def of(self, address: ExpressionValue, variable: ExpressionValue) -> ExpressionValue:
        """The address of a symbol, or the variable that it names."""
        if self is Wanted.PLACE or not isinstance(variable, Placed):
            return address
        sort = variable.extent_().sort
        if sort is Sort.OBJECT:
            return variable if _has_elements(variable) else address
        return variable if self is Wanted.VALUE or sort is Sort.POINTER else address


def _has_elements(variable: ExpressionValue) -> bool:
    """Whether it compares with text, and is a pointer to its first element where one is wanted."""
    try:
        return isinstance(variable, Sized) and len(variable) > 0
    except TypeError:  # a struct, which has the method of all values
        return False


def names_in_sum(node: ast.expr, is_variable: Callable[[str], bool]) -> int:
    """How many variables of the program are added up here; those inside of calls and brackets are none of the sum's."""
    match node:
        case ast.Name(id=name):
            return is_variable(name)
        case ast.BinOp(left=left, right=right):
            return names_in_sum(left, is_variable) + names_in_sum(right, is_variable)
        case ast.UnaryOp(operand=operand):
            return names_in_sum(operand, is_variable)
    return 0
