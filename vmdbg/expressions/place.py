"""Places that users name: linear, physical, segment:offset, symbol, file:line, typed values."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from vmdbg.c.extent import Extent, Sort
from vmdbg.debugger.points import Space
from vmdbg.expressions.basic_types import BasicPointer
from vmdbg.expressions.compiler import compile_expression
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.lvalue import MemoryForm, memory_form
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.segments import segment_base
from vmdbg.expressions.spelling import hexadecimal, split_colon
from vmdbg.expressions.values import ExpressionValue, Placed, TypedValue, whole
from vmdbg.expressions.wanted import Wanted
from vmdbg.x86.mode import CpuMode
from vmdbg.x86.registers import SEGMENTS

PHYSICAL_WORDS = ("phys", "physical")
ADDRESS_END = 1 << 64
PHYSICAL_BITS = 52
"""As many as paging can name (SDM 3A 4.1.4)."""
PHYSICAL_END = 1 << PHYSICAL_BITS
LineLookup = Callable[[str, int], int | None]
"""File name and line number to a linear address."""


class Aim(enum.Enum):
    """What a command does at a place, which decides what a typed value stands for.

    DATA looks at what is there, so a pointer says where: `x task(1).mm`. CODE is DATA, and `*address` is the address,
    as in gdb's `break *0x1000`. OBJECT is about the thing that the expression names: `watch task(1).mm` is about the
    pointer, and `watch *pointer` about what it points to. Arrays, structs and functions stand for where they lie,
    always; a number is never an address for having a type: for OBJECT it is where it lies, else refused, unless it is
    as wide as an address. PHYSICAL takes numbers only: what has a type lies at a linear address, or points to one.
    """

    DATA = enum.auto()
    CODE = enum.auto()
    OBJECT = enum.auto()
    PHYSICAL = enum.auto()


@dataclass(frozen=True, slots=True)
class Place:
    """An address and the space that it counts in; `size` in bytes where the text says what lies there."""

    space: Space
    address: int
    size: int | None = None
    bits: int = 0
    """Of a bit-field in the unit that lies there; 0 for all else."""

    @property
    def is_physical(self) -> bool:
        return self.space is Space.PHYSICAL


def find_place(text: str, scope: Scope, find_line: LineLookup | None = None, aim: Aim = Aim.DATA) -> Place:
    """The place that `text` names, now. Raises ExpressionError.

    `phys:address` is physical, and numbers in `segment:offset` are hexadecimal.
    """
    words = text.strip()
    if aim is Aim.CODE:
        words = words.removeprefix("*").strip()
    sides = split_colon(words)
    if sides is None:
        return _FINDERS[aim](words, scope)
    before, after = sides
    if before.lower() in PHYSICAL_WORDS:
        return _physical(after, scope)
    if aim is Aim.PHYSICAL:
        raise ExpressionError(f"{words} is a linear address, and a physical one is wanted: translate {words}")
    if find_line is not None and after.isdigit() and "." in before:
        address = find_line(before, int(after))
        if address is None:
            raise ExpressionError(f"no code is known for line {after} of {before!r}")
        return Place(Space.LINEAR, address)
    symbol = scope.symbols.find(words)
    if symbol is not None:
        return Place(Space.LINEAR, symbol)
    return Place(Space.LINEAR, _segmented(before, after, scope))


def _target(text: str, scope: Scope, wanted: Wanted = Wanted.PLACE) -> Place:
    """Where a value that is taken for an address leads."""
    value = compile_expression(text, scope, wanted=wanted).evaluate()
    size = None
    if isinstance(value, Placed):
        extent = value.extent_()
        if extent.sort is Sort.OBJECT:
            value = _lying(text, extent)
        elif extent.sort is Sort.NUMBER and isinstance(value, TypedValue) and isinstance(value.number_(), float):
            raise ExpressionError(f"{text} is a fraction and no address")
        elif extent.sort is Sort.NUMBER and extent.size < scope.registers.mode.width // 8:
            lies = f"it lies at &{_bracketed(text)}, and" if extent.address is not None else "it is nowhere in memory;"
            raise ExpressionError(
                f"{text} is a number of {extent.size} bytes and no address; {lies} "
                f"int({text}) takes it for an address all the same"
            )
    if isinstance(value, BasicPointer):
        size = value.pointed_size
    return Place(Space.LINEAR, _address(value), size)


def _object(text: str, scope: Scope) -> Place:
    """Where the object lies that an expression names."""
    form = memory_form(text)
    if form is not None:
        return _memory(form, scope)
    value = compile_expression(text, scope).evaluate()
    extent = value.extent_() if isinstance(value, Placed) else None
    if extent is not None and extent.address is not None:
        return Place(Space.LINEAR, extent.address, extent.size or None, extent.bits)
    found = _target(text, scope)
    return replace(found, size=_size_of_symbol(text, scope, found.address)) if found.size is None else found


def _size_of_symbol(text: str, scope: Scope, address: int) -> int | None:
    """Of the variable of that name which lies there, if that is no more than a word."""
    variable = scope.variable_at_symbol(text) if text.isidentifier() else None
    extent = variable.extent_() if isinstance(variable, Placed) else None
    if extent is None or extent.address != address or not 0 < extent.size <= scope.registers.mode.width // 8:
        return None
    return extent.size


def _memory(form: MemoryForm, scope: Scope) -> Place:
    wanted = Wanted.POINTER if form.view == "*" else Wanted.PLACE
    value = compile_expression(form.address, scope, wanted=wanted).evaluate()
    place = _target(form.address, scope, wanted)
    if form.view == "*" and isinstance(value, TypedValue) and not isinstance(value, BasicPointer):
        pointed = value.dereference_()
        return Place(Space.LINEAR, place.address, pointed.extent_().size if isinstance(pointed, Placed) else None)
    space = Space.PHYSICAL if form.view == "phys" else Space.LINEAR
    size = whole(compile_expression(form.size, scope).evaluate()) if form.size else place.size
    return Place(space, place.address, size)


def _physical(text: str, scope: Scope) -> Place:
    value = compile_expression(text, scope).evaluate()
    if isinstance(value, TypedValue) and isinstance(value, Placed) and value.extent_().sort is not Sort.NUMBER:
        raise ExpressionError(f"{text} is at a linear address, and a physical one is wanted: translate {text}")
    place = _target(text, scope)
    if place.address >= PHYSICAL_END:
        raise ExpressionError(f"{place.address:#x} is no physical address: it does not fit in {PHYSICAL_BITS} bits")
    return Place(Space.PHYSICAL, place.address)


_FINDERS = {Aim.DATA: _target, Aim.CODE: _target, Aim.OBJECT: _object, Aim.PHYSICAL: _physical}


def _lying(text: str, extent: Extent) -> int:
    if extent.address is None:
        raise ExpressionError(f"{text} is a computed value, which lies nowhere in memory")
    return extent.address


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("*") or " " in text else text


def _address(value: ExpressionValue) -> int:
    """Raises ExpressionError for what no address can be; negative numbers count from the end, as kernels' do."""
    if isinstance(value, bool):
        raise ExpressionError(f"{value} is no address")
    number = whole(value)
    if not -(ADDRESS_END >> 1) <= number < ADDRESS_END:
        raise ExpressionError(f"{number:#x} is no address: it does not fit in 64 bits")
    return number % ADDRESS_END


def _segmented(segment: str, offset: str, scope: Scope) -> int:
    """`segment:offset`, by selector or by the name of a segment register."""
    mode = scope.registers.mode
    word = segment.lstrip("$%").lower()
    named = word in SEGMENTS
    base = scope.registers.read(f"{word}_base") if named else _base(segment, scope)
    within = _hexadecimal(offset, scope)
    if not mode.is_protected and not named and within > 0xFFFF:
        raise ExpressionError(f"{within:#x} is no offset in a segment of real mode: it does not fit in 16 bits")
    return (base + within) % (ADDRESS_END if mode is CpuMode.LONG64 else 1 << 32)


def _base(selector: str, scope: Scope) -> int:
    return segment_base(scope.registers, scope.debugger.linear(), _hexadecimal(selector, scope))


def _hexadecimal(text: str, scope: Scope) -> int:
    return _address(compile_expression(hexadecimal(text), scope).evaluate())
