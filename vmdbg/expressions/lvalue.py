"""Expressions that are memory: `mem[address, size]`, `u32(address)`, `*pointer` name a place before it is read."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from vmdbg.expressions.parsing import parsed
from vmdbg.expressions.spelling import DOLLAR

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
        node = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match node:
        case ast.Call(func=ast.Name(id="deref"), args=[inside], keywords=[]):
            return MemoryForm("*", _text(inside))
        case ast.Call(func=ast.Name(id=name), args=[inside], keywords=[]) if name in READERS:
            return MemoryForm(name, _text(inside), str(READERS[name]))
        case ast.Subscript(value=ast.Name(id=name), slice=index) if name in VIEWS:
            return _viewed(name, index)
    return None


def _text(node: ast.expr) -> str:
    return ast.unparse(node).replace(DOLLAR, "$")


def _viewed(name: str, index: ast.expr) -> MemoryForm | None:
    match index:
        case ast.Tuple(elts=[address, size]):
            return MemoryForm(name, _text(address), _text(size))
        case ast.Slice(lower=ast.expr() as start, upper=ast.expr() as end, step=None):
            return MemoryForm(name, _text(start), f"({_text(end)}) - ({_text(start)})")
        case ast.Slice() | ast.Tuple():
            return None
    return MemoryForm(name, _text(index))
