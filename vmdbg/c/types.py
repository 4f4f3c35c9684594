"""What is asked of a C type, and how one is spelled in C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from vmdbg.errors import UserError

MAX_DEPTH = 64


class Kind(IntEnum):
    """Kinds of types, with the numbers of BTF (Documentation/bpf/btf.rst)."""

    VOID = 0
    INT = 1
    POINTER = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FORWARD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNCTION = 12
    PROTOTYPE = 13
    VARIABLE = 14
    SECTION = 15
    FLOAT = 16
    DECLARATION_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


QUALIFIERS = frozenset({Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG})
AGGREGATES = frozenset({Kind.STRUCT, Kind.UNION})
ENUMERATIONS = frozenset({Kind.ENUM, Kind.ENUM64})


class NoSuchTypeError(UserError):
    """There is no such type, or it is not of the kind that is needed."""


class NoSuchMemberError(NoSuchTypeError, AttributeError):
    """A struct or union has no member of that name."""


@dataclass(frozen=True, slots=True)
class Enumerator:
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Field:
    """A member, its offset counted from the aggregate that was asked, through anonymous ones."""

    type: CType
    bit_offset: int
    bits: int

    @property
    def offset(self) -> int:
        """In bytes."""
        return self.bit_offset >> 3


class CType(Protocol):
    """A type. Those without a property raise NoSuchTypeError for it.

    Who tells of types derives from this: what has a body here is alike for all.
    """

    __slots__ = ()

    @property
    def kind(self) -> Kind: ...

    @property
    def name(self) -> str:
        """Without `struct` and its like; "" for what has none."""
        ...

    @property
    def tag(self) -> str:
        """`struct `, `union ` or `enum `; "" for others."""
        ...

    @property
    def size(self) -> int:
        """In bytes; 0 for void, functions and types that are only declared."""
        ...

    @property
    def element(self) -> CType:
        """What an array holds, a pointer points to, a typedef or a qualifier is of."""
        ...

    @property
    def count(self) -> int:
        """Elements of an array."""
        ...

    @property
    def is_signed(self) -> bool: ...

    @property
    def is_bool(self) -> bool: ...

    @property
    def is_character(self) -> bool: ...

    @property
    def fields(self) -> Sequence[tuple[str, Field]]:
        """Members of a struct or union by name; "" for anonymous ones."""
        ...

    @property
    def enumerators(self) -> Sequence[Enumerator]: ...

    @property
    def returns(self) -> CType:
        """Of a function or its prototype."""
        ...

    @property
    def signature(self) -> Sequence[tuple[str, CType | None]]:
        """Parameters of a function or its prototype; None stands for `...`."""
        ...

    def strip(self) -> CType:
        """Without typedefs and qualifiers."""
        ...

    def field(self, path: str) -> Field:
        """A member by name or by path. Raises NoSuchMemberError."""
        return find_field(self, path)

    def has(self, path: str) -> bool:
        """Whether field() finds it."""
        try:
            self.field(path)
        except NoSuchTypeError:
            return False
        return True

    def offset_of(self, path: str) -> int:
        """Bytes from the start of this type to a member."""
        return self.field(path).offset

    def pointer(self) -> CType: ...

    def array(self, count: int) -> CType: ...

    def __str__(self) -> str:
        return declare(self, "")


def find_field(type_: CType, path: str) -> Field:
    """A member by name, or by a path such as `se.sum_exec_runtime`. Raises NoSuchMemberError."""
    found, offset, bits = type_, 0, 0
    for name in path.split("."):
        step = _member(found.strip(), name, 0, MAX_DEPTH)
        if step is None:
            raise NoSuchMemberError(f"{found} has no member {name!r}")
        found, offset, bits = step.type, offset + step.bit_offset, step.bits
    return Field(found, offset, bits)


def _member(type_: CType, name: str, base: int, depth: int) -> Field | None:
    if type_.kind not in AGGREGATES or not depth:
        return None
    anonymous = []
    for known, field in type_.fields:
        if known == name:
            return Field(field.type, base + field.bit_offset, field.bits)
        if not known:
            anonymous.append(field)
    for field in anonymous:
        inner = _member(field.type.strip(), name, base + field.bit_offset, depth - 1)
        if inner is not None:
            return inner
    return None


def declare(found: CType, name: str, depth: int = MAX_DEPTH) -> str:
    """The C declaration of `name` as this type; without a name, the type's own spelling."""
    if not depth:
        raise NoSuchTypeError("a type that contains itself cannot be spelled")
    kind = found.kind
    if kind is Kind.POINTER:
        target = found.element
        inner = f"*{name}"
        if target.kind in (Kind.ARRAY, Kind.PROTOTYPE):
            inner = f"({inner})"
        return declare(target, inner, depth - 1)
    if kind is Kind.ARRAY:
        return declare(found.element, f"{name}[{found.count}]", depth - 1)
    if kind is Kind.PROTOTYPE:
        return declare(found.returns, f"{name}({_parameter_list(found, depth)})", depth - 1)
    if kind in (Kind.FUNCTION, Kind.VARIABLE):
        return declare(found.element, name or found.name, depth - 1)
    if kind is Kind.TYPE_TAG:
        return declare(found.element, name, depth - 1)
    if kind in QUALIFIERS:
        return _qualified(found, name, depth)
    spelled = found.tag + (found.name or "{...}")
    return f"{spelled} {name}".rstrip()


def _qualified(found: CType, name: str, depth: int) -> str:
    word = found.kind.name.lower()
    target = found.element
    if target.strip().kind is Kind.POINTER and target.kind is not Kind.TYPEDEF:
        return declare(target, f"{word} {name}".rstrip(), depth - 1)
    return f"{word} {declare(target, name, depth - 1)}"


def _parameter_list(found: CType, depth: int) -> str:
    parameters = ["..." if type_ is None else declare(type_, name, depth - 1) for name, type_ in found.signature]
    return ", ".join(parameters) or "void"
