"""Typed values of the guest: attribute access, dereferencing, indexing, as C would.

    task = kernel.current_task()
    task.comm, task.mm.pgd, task.parent.pid

Members are attributes (through pointers too), or items where a name would clash; what belongs to the value
itself ends in an underscore.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from vmdbg.c.content import Content
from vmdbg.c.extent import Extent, Sort
from vmdbg.c.formatting import format_value
from vmdbg.c.fractions import fraction, single
from vmdbg.c.space import Space
from vmdbg.c.types import AGGREGATES, ENUMERATIONS, CType, Field, Kind, NoSuchMemberError
from vmdbg.errors import UserError

MAX_STRING = 4096
MAX_OBJECT = 16 << 20


class NoLengthError(UserError, TypeError):
    """What is no array was taken for one; a damaged type may have been."""


class Value:
    """A C object in the guest (`address_` says where), or one that is in no memory.

    The latter has its bits in `content_`, or is a scalar that was computed.
    """

    __slots__ = ("_bits", "_number", "_shift", "address_", "content_", "space_", "type_")

    def __init__(
        self,
        space: Space,
        type_: CType,
        address: int | None = None,
        number: int | float = 0,
        bits: int = 0,
        shift: int = 0,
        content: Content | None = None,
    ) -> None:
        self.space_ = space
        self.type_ = type_
        self.address_ = address
        self.content_ = content
        self._number = _converted(type_, number) if number else 0
        self._bits = bits
        self._shift = shift

    # attribute access

    def __getattr__(self, name: str) -> Value:
        if name.endswith("__"):
            raise AttributeError(name)
        return self.member_(name)

    def member_(self, path: str) -> Value:
        """A member, through a pointer if this is one. Raises `NoSuchMemberError`."""
        type_ = self.type_.strip()
        is_pointer = type_.kind is Kind.POINTER
        type_ = type_.element.strip() if is_pointer else type_
        if type_.kind not in AGGREGATES:
            raise NoSuchMemberError(f"{self.type_} has no member {path!r}: it is no struct or union")
        field = type_.field(path)
        return self._at(int(self), field) if is_pointer else self.at_(field)

    def at_(self, field: Field) -> Value:
        """A member of this struct or union."""
        if self.content_ is None:
            assert self.address_ is not None
            return self._at(self.address_, field)
        bits = field.bits or 8 * field.type.size
        return Value(self.space_, field.type, bits=field.bits, content=self.content_.part(field.bit_offset, bits))

    @property
    def is_object_(self) -> bool:
        """Whether it can have members: not a computed scalar."""
        return self.address_ is not None or self.content_ is not None

    def _at(self, address: int, field: Field) -> Value:
        if not field.bits:
            return Value(self.space_, field.type, address + field.offset)
        unit = field.type.size * 8
        start = field.bit_offset // unit * unit if unit else 0
        if field.bit_offset + field.bits > start + unit:
            start = field.bit_offset & ~7
        return Value(self.space_, field.type, address + (start >> 3), bits=field.bits, shift=field.bit_offset - start)

    def first_(self, *paths: str) -> Value:
        """The first of these members that this kernel has: names change between versions."""
        for path in paths[:-1]:
            if self.has_(path):
                return self.member_(path)
        return self.member_(paths[-1])

    def has_(self, path: str) -> bool:
        type_ = self.type_.strip()
        return (type_.element if type_.kind is Kind.POINTER else type_).has(path)

    # indexing and dereferencing

    def __getitem__(self, index: int | str) -> Value:
        if isinstance(index, str):
            return self.member_(index)
        type_ = self.type_.strip()
        if type_.kind is Kind.ARRAY:
            if type_.count and not -type_.count <= index < type_.count:
                raise IndexError(f"{self.type_} has no element {index}")
            index = index + type_.count if index < 0 else index
            if self.content_ is not None:
                bits = 8 * type_.element.size
                return Value(self.space_, type_.element, content=self.content_.part(index * bits, bits))
            start = self.address_
        elif type_.kind is Kind.POINTER:
            start = int(self)
        else:
            raise UserError(f"{self.type_} cannot be indexed: it is neither an array nor a pointer")
        assert start is not None
        return Value(self.space_, type_.element, start + index * type_.element.size)

    def __len__(self) -> int:
        type_ = self.type_.strip()
        if type_.kind is not Kind.ARRAY:
            raise NoLengthError(f"{self.type_} has no length: it is no array")
        return type_.count

    def __iter__(self) -> Iterator[Value]:
        return (self[index] for index in range(len(self)))

    def dereference_(self) -> Value:
        """What a pointer points to, or an array's first element."""
        if self.type_.strip().kind not in (Kind.POINTER, Kind.ARRAY):
            raise UserError(f"{self.type_} is no pointer")
        return Value(self.space_, self.type_.strip().element, int(self))

    def pointer_(self) -> Value:
        """A pointer to this object."""
        if self.address_ is None:
            raise UserError(f"{self.type_} is a computed value: it has no address")
        return Value(self.space_, self.type_.pointer(), number=self.address_)

    def extent_(self) -> Extent:
        """Where this is, and how large."""
        kind = self.type_.strip().kind
        if kind is Kind.POINTER:
            return Extent(Sort.POINTER, self.address_, self.type_.size)
        is_object = kind in AGGREGATES or kind in (Kind.ARRAY, Kind.FUNCTION, Kind.PROTOTYPE)
        return Extent(Sort.OBJECT if is_object else Sort.NUMBER, self.address_, self.type_.size, self._bits)

    def cast_(self, type_: CType) -> Value:
        """The same bits as another scalar type, or the same object as another aggregate."""
        if self.type_.strip().kind in AGGREGATES and self.address_ is not None:
            return Value(self.space_, type_, self.address_)
        return Value(self.space_, type_, number=self.number_())

    def container_of_(self, type_: CType, path: str) -> Value:
        """The `type_` whose member `path` is here, or is pointed to (container_of of the kernel)."""
        pointer = self.type_.strip().kind is Kind.POINTER
        address = int(self) if pointer else self.address_
        assert address is not None
        return Value(self.space_, type_, address - type_.offset_of(path))

    # scalar values

    def number_(self) -> int | float:
        """What C's arithmetic takes this for: a fraction keeps what is behind its point."""
        return float(self) if self.type_.strip().kind is Kind.FLOAT else int(self)

    def __int__(self) -> int:
        """A fraction is cut towards zero, as by a cast in C; its bits are in bytes_()."""
        if self.type_.strip().kind is Kind.FLOAT:
            return self._cut(float(self))
        if not self.is_object_:
            return int(self._number)
        type_ = self.type_.strip()
        kind = type_.kind
        if kind is Kind.ARRAY:
            if self.address_ is None:
                raise UserError(f"{self.type_} is in no memory: it has no address")
            return self.address_
        if kind in AGGREGATES or not type_.size:
            raise UserError(f"{self.type_} is no number; choose one of its members")
        if self.content_ is not None:
            number = self.content_.number(self._bits or 8 * type_.size)
            sign = 1 << (self._bits or 8 * type_.size) - 1
            return (number ^ sign) - sign if _signed(type_) else number
        assert self.address_ is not None
        raw = self.space_.read(self.address_, type_.size)
        if self._bits:
            number = int.from_bytes(raw, "little") >> self._shift & (1 << self._bits) - 1
            sign = 1 << self._bits - 1
            return (number ^ sign) - sign if _signed(type_) else number
        return int.from_bytes(raw, "little", signed=_signed(type_))

    def __index__(self) -> int:
        if self.type_.strip().kind is Kind.FLOAT:
            raise TypeError(f"{self.type_} is a fraction and no index")
        return int(self)

    def __bool__(self) -> bool:
        return bool(self.number_())

    def __float__(self) -> float:
        type_ = self.type_.strip()
        if type_.kind is not Kind.FLOAT:
            return float(int(self))
        return fraction(self._raw(type_.size)) if self.is_object_ else float(self._number)

    def _cut(self, fraction: float) -> int:
        try:
            return int(fraction)
        except (OverflowError, ValueError) as error:
            raise UserError(f"{self.type_} is {fraction!r}, which is no integer") from error

    def _raw(self, size: int) -> bytes:
        """The first bytes of the object."""
        if self.content_ is not None:
            return self.content_.read(size)
        assert self.address_ is not None
        return self.space_.read(self.address_, size)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.string_() == other
        if isinstance(other, Value):
            return self.number_() == other.number_()
        return self.number_() == other if isinstance(other, int | float) else NotImplemented

    def __hash__(self) -> int:
        return hash((str(self.type_), self.address_, self._number))

    def __add__(self, number: Number) -> Number:
        stride = self._stride
        if stride:
            return Value(self.space_, self.type_, number=int(self) + int(number) * stride)
        return self.number_() + _number(number)

    def __sub__(self, number: Number) -> Number:
        """Of two pointers to one type: elements between them (C17 6.5.6)."""
        stride = self._stride
        if not isinstance(number, Value) or not stride or not number._stride:
            return self + -_number(number)
        if stride != number._stride:
            raise UserError(f"{self.type_} and {number.type_} point to what is not alike")
        return (int(self) - int(number)) // stride

    @property
    def _stride(self) -> int:
        """Bytes from what a pointer points to to the next; 0 of what is none."""
        type_ = self.type_.strip()
        return (type_.element.size or 1) if type_.kind is Kind.POINTER else 0

    def __and__(self, number: int) -> int:
        return int(self) & int(number)

    def __lt__(self, other: Number) -> bool:
        return self.number_() < _number(other)

    def __gt__(self, other: Number) -> bool:
        return self.number_() > _number(other)

    def __le__(self, other: Number) -> bool:
        return self.number_() <= _number(other)

    def __ge__(self, other: Number) -> bool:
        return self.number_() >= _number(other)

    # text

    def string_(self, limit: int = MAX_STRING) -> str:
        """The text in a char array, or that a char pointer points to."""
        type_ = self.type_.strip()
        if type_.kind is Kind.ARRAY and type_.count:
            raw = self._raw(min(type_.count, limit))
            return raw.partition(b"\0")[0].decode("utf-8", "replace")
        return self.space_.string(int(self), limit)

    def bytes_(self) -> bytes:
        """The object's memory."""
        size = self.type_.size
        if not self.is_object_ or size > MAX_OBJECT:
            raise UserError("too large to read" if self.is_object_ else f"{self.type_} has no memory to show")
        return self._raw(size)

    def enumerator_(self) -> str:
        """The name of an enum's value, or its number."""
        number = int(self)
        return next((one.name for one in self.type_.enumerators if one.value == number), str(number))

    def __str__(self) -> str:
        return format_value(self)

    __repr__ = __str__

    def __dir__(self) -> list[str]:
        type_ = self.type_.strip()
        type_ = type_.element.strip() if type_.kind is Kind.POINTER else type_
        own = [name for name in object.__dir__(self) if name.endswith("_")]
        return own + ([name for name, _ in type_.fields if name] if type_.kind in AGGREGATES else [])


Number: TypeAlias = int | float | Value


def _number(value: Number) -> int | float:
    return value.number_() if isinstance(value, Value) else value


def _converted(type_: CType, number: int | float) -> int | float:
    """As assigning to that type in C does."""
    stripped = type_.strip()
    if stripped.is_bool:
        return int(bool(number))
    if stripped.kind is Kind.FLOAT:
        return single(float(number)) if stripped.size == 4 else float(number)  # Python has no more than 64 bits
    number = int(number)
    bits = 8 * (stripped.size or 8)
    number &= (1 << bits) - 1
    return (number ^ 1 << bits - 1) - (1 << bits - 1) if _signed(stripped) else number


def _signed(type_: CType) -> bool:
    return (type_.kind is Kind.INT or type_.kind in ENUMERATIONS) and type_.is_signed
