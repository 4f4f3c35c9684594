"""Places that users name: linear, physical, segment:offset, symbol, file:line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.debugger.points import Space
from vmdbg.expressions.compiler import compile_expression
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.spelling import split_colon
from vmdbg.expressions.values import WORD, whole
from vmdbg.units import Linear
from vmdbg.x86.descriptors import Segment, Selector, UnusedDescriptor, decode_descriptor
from vmdbg.x86.mode import CpuMode
from vmdbg.x86.registers import SEGMENTS

PHYSICAL_WORDS = ("phys", "physical")
LineLookup = Callable[[str, int], int | None]
"""File name and line number to a linear address."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address and the space that it counts in."""

    space: Space
    address: int

    @property
    def is_physical(self) -> bool:
        return self.space is Space.PHYSICAL


def find_place(text: str, scope: Scope, find_line: LineLookup | None = None) -> Place:
    """The place that `text` names, now. Raises ExpressionError.

    `*expression` is the expression, as gdb has it. `phys:address` is physical.
    """
    words = text.strip().removeprefix("*").strip()
    sides = split_colon(words)
    if sides is None:
        return Place(Space.LINEAR, _integer(words, scope))
    before, after = sides
    if before.lower() in PHYSICAL_WORDS:
        return Place(Space.PHYSICAL, _integer(after, scope))
    if find_line is not None and after.isdigit() and "." in before:
        address = find_line(before, int(after))
        if address is None:
            raise ExpressionError(f"no code is known for line {after} of {before!r}")
        return Place(Space.LINEAR, address)
    symbol = scope.symbols.find(words)
    if symbol is not None:
        return Place(Space.LINEAR, symbol)
    base = _named_segment(before, scope)
    return Place(Space.LINEAR, (base + _integer(after, scope)) & WORD)


def _integer(text: str, scope: Scope) -> int:
    return whole(compile_expression(text, scope).evaluate()) & WORD


def _named_segment(text: str, scope: Scope) -> int:
    word = text.lstrip("$%").lower()
    if word in SEGMENTS:
        return scope.registers.read(f"{word}_base")
    return segment_base(scope, _integer(text, scope))


def segment_base(scope: Scope, selector: int) -> int:
    """The base of a segment by selector: times 16 in real mode, from its descriptor otherwise."""
    if not 0 <= selector <= 0xFFFF:
        raise ExpressionError(f"{selector:#x} is no selector: it does not fit in 16 bits")
    if not scope.registers.mode.is_protected:
        return selector << 4
    return _descriptor_base(scope, Selector(selector))


def _descriptor_base(scope: Scope, selector: Selector) -> int:
    read = scope.registers.read
    table = "ldtr" if selector.is_local else "gdtr"
    offset = selector.index * 8
    if selector.is_null or offset + 7 > read(f"{table}_limit"):
        raise ExpressionError(f"selector {selector.value:#x} names no descriptor")
    raw = scope.debugger.linear().read(Linear(read(f"{table}_base") + offset), 8)
    descriptor = decode_descriptor(raw + bytes(8), long=False)
    if isinstance(descriptor, UnusedDescriptor) or not isinstance(descriptor, Segment):
        raise ExpressionError(f"selector {selector.value:#x} names no segment")
    if scope.registers.mode is CpuMode.LONG64 or descriptor.is_long_code:
        return 0
    return descriptor.base
