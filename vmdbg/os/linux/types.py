"""C types over BTF: sizes, members by path, and their spelling in C."""

from __future__ import annotations

from dataclasses import dataclass

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
    find_field,
)
from vmdbg.os.linux.btf import Btf, Member, Parameter, Record
from vmdbg.os.seam import DamagedError

POINTER_SIZE = 8
_TAGS = {Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum ", Kind.ENUM64: "enum "}
_INT_SIGNED = 1 << 24
_INT_CHAR = 1 << 25
_INT_BOOL = 1 << 26


@dataclass(frozen=True, slots=True)
class Type(CType):
    """A C type. `btf_id` is -1 for pointers to, and arrays of, `target` that the kernel itself has not."""

    btf: Btf
    btf_id: int
    target: Type | None = None
    length: int = -1

    @property
    def record(self) -> Record:
        return self.btf.record(self.btf_id)

    @property
    def kind(self) -> Kind:
        if self.target is not None:
            return Kind.POINTER if self.length < 0 else Kind.ARRAY
        return self.record.kind

    def at(self, type_id: int) -> Type:
        """Another type of the same kernel, by its id."""
        return Type(self.btf, type_id)

    def strip(self) -> Type:
        """Without typedefs and qualifiers."""
        if self.target is not None:
            return self
        known = self.btf.stripped.get(self.btf_id)
        if known is None:
            known = self.btf.stripped[self.btf_id] = self._strip()
        assert isinstance(known, Type)
        return known

    def _strip(self) -> Type:
        found = self
        for _ in range(MAX_DEPTH):
            if found.kind is not Kind.TYPEDEF and found.kind not in QUALIFIERS:
                return found
            found = found.at(found.record.size_or_type)
        raise DamagedError(f"BTF typedef {self.btf_id}", self.btf.address)

    @property
    def name(self) -> str:
        return "" if self.target is not None else self.record.name

    @property
    def tag(self) -> str:
        """What C writes before the name."""
        if self.kind is Kind.FORWARD:
            return "union " if self.record.flag else "struct "
        return _TAGS.get(self.kind, "")

    @property
    def size(self) -> int:
        """In bytes; 0 for void, functions and types that are only declared."""
        return self._size(MAX_DEPTH)

    def _size(self, depth: int) -> int:
        stripped = self.strip()
        kind = stripped.kind
        if kind is Kind.POINTER:
            return POINTER_SIZE
        if kind is Kind.ARRAY:
            if not depth:
                raise DamagedError(f"BTF array {self.btf_id}", self.btf.address)
            return stripped.element._size(depth - 1) * stripped.count
        if kind in AGGREGATES or kind in ENUMERATIONS or kind in (Kind.INT, Kind.FLOAT):
            return stripped.record.size_or_type
        return 0

    @property
    def element(self) -> Type:
        """What an array holds or a pointer points to. Raises `NoSuchTypeError` for others."""
        if self.target is not None:
            return self.target
        record = self.record
        if record.kind is Kind.ARRAY:
            return self.at(self.btf.words(record, 3)[0])
        if record.kind in (Kind.POINTER, Kind.TYPEDEF, Kind.FUNCTION, Kind.VARIABLE) or record.kind in QUALIFIERS:
            return self.at(record.size_or_type)
        raise NoSuchTypeError(f"{self} is neither a pointer nor an array")

    @property
    def count(self) -> int:
        """Elements of an array."""
        return self.length if self.target is not None else self.btf.words(self.record, 3)[2]

    @property
    def is_signed(self) -> bool:
        """Of an int; an enum is signed when the kernel says so."""
        record = self.record
        if record.kind is Kind.INT:
            return bool(self.btf.words(record, 1)[0] & _INT_SIGNED)
        return record.flag

    @property
    def is_character(self) -> bool:
        """A one-byte int that is not a bool: text when it comes in arrays."""
        stripped = self.strip()
        if stripped.kind is not Kind.INT or stripped.size != 1:
            return False
        return stripped.name in ("char", "signed char") or bool(stripped.btf.words(stripped.record, 1)[0] & _INT_CHAR)

    @property
    def is_bool(self) -> bool:
        return self.kind is Kind.INT and bool(self.btf.words(self.record, 1)[0] & _INT_BOOL)

    @property
    def members(self) -> list[Member]:
        """Of a struct or union; anonymous ones have no name."""
        stripped = self.strip()
        if stripped.kind not in AGGREGATES:
            raise NoSuchTypeError(f"{self} has no members")
        return stripped.btf.members(stripped.record)

    @property
    def fields(self) -> list[tuple[str, Field]]:
        """Members by name."""
        return [(one.name, Field(self.at(one.type), one.bit_offset, one.bits)) for one in self.members]

    @property
    def enumerators(self) -> list[Enumerator]:
        stripped = self.strip()
        return stripped.btf.enumerators(stripped.record) if stripped.kind in ENUMERATIONS else []

    @property
    def parameters(self) -> list[Parameter]:
        """Of a function or its prototype."""
        prototype = self._prototype()
        return prototype.btf.parameters(prototype.record)

    @property
    def signature(self) -> list[tuple[str, Type | None]]:
        """Parameters; None stands for `...`."""
        return [(one.name, self.at(one.type) if one.type else None) for one in self.parameters]

    @property
    def returns(self) -> Type:
        """What a function or its prototype returns."""
        return self.at(self._prototype().record.size_or_type)

    def _prototype(self) -> Type:
        found = self.strip()
        if found.kind is Kind.FUNCTION:
            found = found.at(found.record.size_or_type)
        if found.kind is not Kind.PROTOTYPE:
            raise NoSuchTypeError(f"{self} is no function")
        return found

    def field(self, path: str) -> Field:
        """A member by name, or by a path such as `se.sum_exec_runtime`. Raises `NoSuchMemberError`."""
        key = self.btf_id, path
        known = self.btf.fields.get(key) if self.btf_id >= 0 else None
        if known is None:
            known = self.btf.fields[key] = find_field(self, path)
        assert isinstance(known, Field)
        return known

    def pointer(self) -> Type:
        """A pointer to this type."""
        return Type(self.btf, -1, self)

    def array(self, count: int) -> Type:
        return Type(self.btf, -1, self, count)
