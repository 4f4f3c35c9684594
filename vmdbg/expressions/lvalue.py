"""Expressions that are memory: `mem[address, size]`, `u32(address)`, `*pointer` name a place before it is read."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from vmdbg.expressions.c_forms import c_forms
from vmdbg.expressions.spelling import python_spelling

READERS = {f"{sign}{8 * size}": size for sign in "uis" for size in (1, 2, 4, 8)}
"""Functions that read memory, and how many bytes."""
VIEWS = ("mem", "phys")


@dataclass(frozen=True, slots=True)
class MemoryForm:
    """What an expression reads: `view` is mem, phys, a reader or "*". Texts are expressions; no `size` is a word."""

    view: str
    address: str
    size: str = ""


def memory_form(text: str) -> MemoryForm | None:
    """None where the text, taken as a whole, is anything else, or no expression."""
    try:
        node = ast.parse(c_forms(python_spelling(text)), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match node:
        case ast.Call(func=ast.Name(id="deref"), args=[inside], keywords=[]):
            return MemoryForm("*", ast.unparse(inside))
        case ast.Call(func=ast.Name(id=name), args=[inside], keywords=[]) if name in READERS:
            return MemoryForm(name, ast.unparse(inside), str(READERS[name]))
        case ast.Subscript(value=ast.Name(id=name), slice=index) if name in VIEWS:
            return _viewed(name, index)
    return None


def _viewed(name: str, index: ast.expr) -> MemoryForm | None:
    match index:
        case ast.Tuple(elts=[address, size]):
            return MemoryForm(name, ast.unparse(address), ast.unparse(size))
        case ast.Slice(lower=ast.expr() as start, upper=ast.expr() as end, step=None):
            return MemoryForm(name, ast.unparse(start), f"({ast.unparse(end)}) - ({ast.unparse(start)})")
        case ast.Slice() | ast.Tuple():
            return None
    return MemoryForm(name, ast.unparse(index))
