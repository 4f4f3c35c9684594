"""C types as DWARF describes them. Source: DWARF 5, chapter 5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from elftools.dwarf.die import DIE

from vmdbg.c.types import (
    AGGREGATES,
    ENUMERATIONS,
    MAX_DEPTH,
    QUALIFIERS,
    CType,
    Enumerator,
    Field,
    Kind,
    NoSuchTypeError,
)
from vmdbg.dwarf.attributes import constant, name_of, referred
from vmdbg.dwarf.debug_file import DAMAGE
from vmdbg.dwarf.type_entries import elements, kind_of, member_offset, word_of

MAX_MEMBERS = 1 << 14
_C_LANGUAGES = frozenset({0x01, 0x02, 0x0C, 0x1D, 0x2C, 0x8001})
_BOOLEAN, _COMPLEX, _FLOAT, _SIGNED, _SIGNED_CHAR, _UNSIGNED_CHAR, _UTF = 2, 3, 4, 5, 6, 8, 0x10
_BOUNDS = ("DW_TAG_subrange_type", "DW_TAG_enumeration_type")
_FLOATS = frozenset({_FLOAT})

Resolve = Callable[["DwarfType"], "DwarfType | None"]
"""The definition of a struct that a unit only declares."""


def _unresolved(_: DwarfType) -> DwarfType | None:
    return None


@dataclass(slots=True)
class TypeContext:
    """What the types of one file share."""

    address_size: int
    resolve: Resolve = _unresolved
    known: dict[tuple[int, int, int], DwarfType] = field(default_factory=dict)

    def type(self, die: DIE | None, dimension: int = 0) -> DwarfType:
        """Of an entry; None is void."""
        key = (id(die.stream), die.offset, dimension) if die is not None else (0, 0, 0)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = DwarfType(self, die, dimension=dimension)
        return found

    def type_of(self, die: DIE) -> DwarfType:
        """The type that an entry has. Raises what DAMAGE lists."""
        return self.type(referred(die, "DW_AT_type"))


class DwarfType(CType):
    """vmdbg.c.types.CType of an entry; of `target` made up if there is none: a pointer, or an array of `length`."""

    def __init__(
        self,
        context: TypeContext,
        die: DIE | None,
        *,
        dimension: int = 0,
        target: DwarfType | None = None,
        length: int = -1,
    ) -> None:
        self.context = context
        self.die = die
        self._dimension = dimension
        self._target = target
        self._length = length

    @property
    def _entry(self) -> DIE:
        """Of a type that is not made up. Raises NoSuchTypeError."""
        if self.die is None:
            raise NoSuchTypeError(f"{self} is made up: no entry tells of it")
        return self.die

    @cached_property
    def kind(self) -> Kind:
        if self._target is not None:
            return Kind.POINTER if self._length < 0 else Kind.ARRAY
        if self.die is None:
            return Kind.VOID
        kind = kind_of(self.die)
        if kind is Kind.INT and self._encoding in _FLOATS:
            return Kind.FLOAT
        if kind in (*AGGREGATES, Kind.ENUM) and "DW_AT_declaration" in self.die.attributes:
            return Kind.FORWARD
        return kind

    @property
    def _encoding(self) -> int:
        return constant(self.die, "DW_AT_encoding") or 0 if self.die is not None else 0

    @cached_property
    def name(self) -> str:
        if self._target is not None:
            return ""
        return name_of(self.die) if self.die is not None else "void"

    @property
    def tag(self) -> str:
        """As C spells it; other languages do without."""
        if self._target is not None or self.die is None or not self._is_c:
            return ""
        return word_of(self.die)

    @property
    def _is_c(self) -> bool:
        language = constant(self._entry.cu.get_top_DIE(), "DW_AT_language")
        return language is None or language in _C_LANGUAGES

    def complete(self) -> DwarfType:
        """The definition, if this is only a declaration and one is found."""
        return self._completed if self.kind is Kind.FORWARD else self

    @cached_property
    def _completed(self) -> DwarfType:
        try:
            return self.context.resolve(self) or self
        except DAMAGE:
            return self

    def strip(self) -> DwarfType:
        return self._stripped

    @cached_property
    def _stripped(self) -> DwarfType:
        found = self
        for _ in range(MAX_DEPTH):
            if found.kind is not Kind.TYPEDEF and found.kind not in QUALIFIERS:
                return found.complete()
            found = found.element
        raise NoSuchTypeError(f"the type {self.name!r} contains itself")

    @cached_property
    def size(self) -> int:
        return self._size(MAX_DEPTH)

    def _size(self, depth: int) -> int:
        stripped = self.strip()
        kind = stripped.kind
        if kind in (Kind.VOID, Kind.PROTOTYPE, Kind.FORWARD) or not depth:
            return 0
        if kind is Kind.ARRAY:
            return stripped.element._size(depth - 1) * stripped.count
        if stripped.die is None:
            return self.context.address_size
        stated = constant(stripped.die, "DW_AT_byte_size")
        if stated is not None:
            return stated
        bits = constant(stripped.die, "DW_AT_bit_size")
        if bits is not None:
            return (bits + 7) // 8
        if kind is Kind.ENUM and stripped._underlying is not None:
            return stripped._underlying._size(depth - 1)
        pointer = kind is Kind.POINTER or stripped.die.tag == "DW_TAG_ptr_to_member_type"
        return self.context.address_size if pointer else 0

    @cached_property
    def _bounds(self) -> list[DIE]:
        """The subranges of an array, the outermost first."""
        return [one for one in self._entry.iter_children() if one.tag in _BOUNDS]

    @cached_property
    def element(self) -> DwarfType:
        if self._target is not None:
            return self._target
        kind = self.kind
        if kind is Kind.ARRAY and self._dimension + 1 < len(self._bounds):
            return self.context.type(self.die, self._dimension + 1)
        if kind in (Kind.ARRAY, Kind.POINTER, Kind.TYPEDEF) or kind in QUALIFIERS:
            return self.context.type_of(self._entry)
        raise NoSuchTypeError(f"{self} is neither a pointer nor an array")

    @cached_property
    def count(self) -> int:
        """0 for one whose length the type does not say: a flexible member, or what the program computes."""
        if self._target is not None:
            return self._length
        bound = self.bound
        return 0 if bound is None else elements(bound) or 0

    @property
    def bound(self) -> DIE | None:
        """The subrange of an array's first dimension, or None."""
        return self._bounds[self._dimension] if self._dimension < len(self._bounds) else None

    @cached_property
    def is_signed(self) -> bool:
        kind = self.kind
        if kind is Kind.ENUM:
            underlying = self._underlying
            negative = any(one.value < 0 for one in self.enumerators)
            return negative or (underlying is not None and underlying.strip().is_signed)
        return kind is Kind.INT and self._encoding in (_SIGNED, _SIGNED_CHAR)

    @property
    def _underlying(self) -> DwarfType | None:
        die = referred(self._entry, "DW_AT_type")
        return self.context.type(die) if die is not None else None

    @property
    def is_character(self) -> bool:
        stripped = self.strip()
        if stripped.kind is not Kind.INT or stripped.size != 1:
            return False
        return stripped._encoding in (_SIGNED_CHAR, _UNSIGNED_CHAR, _UTF)

    @property
    def is_bool(self) -> bool:
        return self.kind is Kind.INT and self._encoding == _BOOLEAN

    @property
    def fields(self) -> Sequence[tuple[str, Field]]:
        stripped = self.strip()
        if stripped.kind not in AGGREGATES:
            raise NoSuchTypeError(f"{self} has no members")
        return stripped._fields

    @cached_property
    def _fields(self) -> list[tuple[str, Field]]:
        found = []
        for child in self._entry.iter_children():
            is_static = "DW_AT_external" in child.attributes or "DW_AT_declaration" in child.attributes
            if child.tag not in ("DW_TAG_member", "DW_TAG_inheritance") or is_static:
                continue
            member = self._field(child)
            if member is not None:
                found.append(("" if child.tag == "DW_TAG_inheritance" else name_of(child), member))
            if len(found) > MAX_MEMBERS:
                break
        return found

    def _field(self, child: DIE) -> Field | None:
        """None for one whose place depends on the object, as virtual bases have it."""
        type_ = self.context.type_of(child)
        bits = constant(child, "DW_AT_bit_size") or 0
        from_start = constant(child, "DW_AT_data_bit_offset")
        if from_start is not None:
            return Field(type_, from_start, bits)
        offset = member_offset(child, self.context.address_size)
        if offset is None:
            return None
        from_top = constant(child, "DW_AT_bit_offset")
        if bits and from_top is not None:
            storage = constant(child, "DW_AT_byte_size") or type_.size
            return Field(type_, 8 * offset + 8 * storage - from_top - bits, bits)
        return Field(type_, 8 * offset, bits)

    @property
    def enumerators(self) -> Sequence[Enumerator]:
        stripped = self.strip()
        return stripped._enumerators if stripped.kind in ENUMERATIONS else []

    @cached_property
    def _enumerators(self) -> list[Enumerator]:
        found = []
        for child in self._entry.iter_children():
            value = constant(child, "DW_AT_const_value")
            if child.tag == "DW_TAG_enumerator" and value is not None:
                found.append(Enumerator(name_of(child), value))
        return found

    @property
    def returns(self) -> DwarfType:
        stripped = self.strip()
        if stripped.kind is not Kind.PROTOTYPE:
            raise NoSuchTypeError(f"{self} is no function")
        return self.context.type_of(stripped._entry)

    @property
    def signature(self) -> Sequence[tuple[str, DwarfType | None]]:
        stripped = self.strip()
        if stripped.kind is not Kind.PROTOTYPE:
            raise NoSuchTypeError(f"{self} is no function")
        found: list[tuple[str, DwarfType | None]] = []
        for child in stripped._entry.iter_children():
            if child.tag == "DW_TAG_formal_parameter":
                found.append((name_of(child), self.context.type_of(child)))
            elif child.tag == "DW_TAG_unspecified_parameters":
                found.append(("", None))
        return found

    def pointer(self) -> DwarfType:
        return DwarfType(self.context, None, target=self)

    def array(self, count: int) -> DwarfType:
        return DwarfType(self.context, None, target=self, length=count)
