"""What a function has returned, where the calling convention puts it (System V ABI, AMD64 supplement, 3.2.3; i386)."""

from __future__ import annotations

from vmdbg.c.content import Content
from vmdbg.c.types import AGGREGATES, CType, Kind
from vmdbg.c.values import Value
from vmdbg.session.view import View

LARGEST_IN_REGISTERS = 16


def returned_value(view: View, type_: CType) -> Value | None:
    """At the instruction behind a call; None for void, and for what is returned in a way that is not known here."""
    stripped = type_.strip()
    size, word = stripped.size, view.registers.mode.width // 8
    space = view.frames.space
    read = view.registers.read
    if stripped.kind in (Kind.VOID, Kind.FORWARD) or not size:
        return None
    if stripped.kind is Kind.FLOAT:
        bits = read("xmm0") if word == 8 and size in (4, 8) else None
        return None if bits is None else Value(space, type_, content=_content(bits, size))
    if stripped.kind in AGGREGATES and (word == 4 or size > LARGEST_IN_REGISTERS):
        return Value(space, type_, read("rax") & (1 << 8 * word) - 1)
    if stripped.kind in AGGREGATES and _has_fractions(stripped):
        return None
    mask = (1 << 8 * word) - 1
    bits = (read("rax") & mask) | (read("rdx") & mask) << 8 * word
    return Value(space, type_, content=_content(bits, size)) if size <= 2 * word else None


def _content(bits: int, size: int) -> Content:
    mask = (1 << 8 * size) - 1
    return Content(bits & mask, mask)


def _has_fractions(type_: CType, depth: int = 16) -> bool:
    """Whether a part of it is passed in vector or x87 registers."""
    stripped = type_.strip()
    if stripped.kind is Kind.FLOAT or not depth:
        return True
    if stripped.kind is Kind.ARRAY:
        return _has_fractions(stripped.element, depth - 1)
    if stripped.kind in AGGREGATES:
        return any(_has_fractions(field.type, depth - 1) for _, field in stripped.fields)
    return False
