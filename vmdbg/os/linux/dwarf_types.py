"""BTF as DWARF: every type of the kernel and its modules as debugging information entries.

Two passes: sizes give every type its offset, then entries are written with references that are known.
"""

from __future__ import annotations

import struct

from vmdbg.c.types import Kind
from vmdbg.os.linux.btf import Btf, Record
from vmdbg.os.linux.dwarf import (
    Encoding,
)
from vmdbg.os.linux.dwarf_abbreviations import (
    ARRAY,
    BASE,
    CONST,
    CONST_VOID,
    ELLIPSIS,
    ENUM,
    ENUM_ANONYMOUS,
    ENUMERATOR,
    MEMBER,
    MEMBER_ANONYMOUS,
    MEMBER_BITS,
    PARAMETER,
    POINTER,
    POINTER_VOID,
    PROTOTYPE,
    PROTOTYPE_VOID,
    RESTRICT,
    RESTRICT_VOID,
    STRUCT,
    STRUCT_ANONYMOUS,
    STRUCT_FORWARD,
    SUBRANGE,
    TYPEDEF,
    TYPEDEF_VOID,
    UNION,
    UNION_ANONYMOUS,
    UNION_FORWARD,
    VOLATILE,
    VOLATILE_VOID,
)

_INT_SIGNED, _INT_CHAR, _INT_BOOL = 1, 2, 4

_REFERENCES = {
    Kind.CONST: (CONST, CONST_VOID),
    Kind.VOLATILE: (VOLATILE, VOLATILE_VOID),
    Kind.RESTRICT: (RESTRICT, RESTRICT_VOID),
}
_SIZES = {Kind.INT: 7, Kind.FLOAT: 7, Kind.ARRAY: 15, Kind.FORWARD: 5, Kind.POINTER: 2, Kind.TYPEDEF: 5}
_MAX_TAGS = 64
_TRANSPARENT = frozenset({Kind.TYPE_TAG})
_NO_ENTRY = frozenset({Kind.FUNCTION, Kind.VARIABLE, Kind.SECTION, Kind.DECLARATION_TAG, Kind.TYPE_TAG})


class TypeWriter:
    """The entries of one BTF section, from `position` of the unit on.

    `name_shift` moves the offsets of its own strings to where they are in `.debug_str`; types of the section that
    it continues are found through `base`.
    """

    def __init__(self, btf: Btf, position: int, name_shift: int = 0, base: TypeWriter | None = None) -> None:
        self.btf = btf
        self._name_shift = name_shift
        self.records = list(btf)
        self.offsets: list[int] = list(base.offsets) if base else [0]
        self._index_type: int = base._index_type if base else next(iter(btf.ids_of_kind(Kind.INT)), 0)
        for record in self.records:
            self.offsets.append(position)
            position += self._size(record)
        self.end = position
        self._resolve_tags()

    def entries(self) -> list[bytes]:
        """In the order of their offsets."""
        return [self._entry(record) for record in self.records if record.kind not in _NO_ENTRY]

    def name(self, offset: int) -> int:
        """Where a string of BTF is in `.debug_str`."""
        return offset + self._name_shift if offset >= self.btf.first_string else offset

    def _resolve_tags(self) -> None:
        """A type tag has no entry of its own: it stands for what it tags."""
        for record in self.records:
            if record.kind in _TRANSPARENT:
                self.offsets[record.id] = self.offsets[self._untagged(record.id)]

    def _untagged(self, type_id: int) -> int:
        for _ in range(_MAX_TAGS):
            record = self.btf.record(type_id)
            if record.kind not in _TRANSPARENT:
                break
            type_id = record.size_or_type
        return type_id

    def _is_void(self, type_id: int) -> bool:
        """Void has no entry: what refers to it has no DW_AT_type."""
        return not type_id or not self._untagged(type_id)

    def _size(self, record: Record) -> int:
        kind, count = record.kind, record.vlen
        if kind in _NO_ENTRY:
            return 0
        if kind in (Kind.STRUCT, Kind.UNION):
            bodies = sum(map(_member_size, self.btf.raw_members(record)))
            return (9 if record.name_offset else 5) + bodies + 1
        if kind in (Kind.ENUM, Kind.ENUM64):
            return (6 if record.name_offset else 2) + 13 * count + 1
        if kind in (Kind.INT, Kind.FLOAT, Kind.ARRAY, Kind.FORWARD):
            return _SIZES[kind]
        reference = 0 if self._is_void(record.size_or_type) else 4
        if kind is Kind.PROTOTYPE:
            parameters = sum(5 if type_id else 1 for _, type_id in self.btf.raw_parameters(record))
            return 1 + reference + parameters + 1
        return reference + _SIZES.get(kind, 1)

    def _entry(self, record: Record) -> bytes:
        kind = record.kind
        if kind in (Kind.STRUCT, Kind.UNION):
            return self._aggregate(record)
        if kind in (Kind.ENUM, Kind.ENUM64):
            return self._enumeration(record)
        if kind in (Kind.INT, Kind.FLOAT):
            return struct.pack(
                "<BIBB", BASE, self.name(record.name_offset), record.size_or_type & 0xFF, self._encoding(record)
            )
        if kind is Kind.POINTER:
            return self.head(POINTER, POINTER_VOID, b"", record.size_or_type) + b"\x08"
        if kind is Kind.ARRAY:
            element, _, count = self.btf.words(record, 3)
            index = self.offsets[self._index_type]
            return struct.pack("<BIBIIB", ARRAY, self.offsets[element], SUBRANGE, index, count, 0)
        if kind is Kind.FORWARD:
            return struct.pack("<BI", UNION_FORWARD if record.flag else STRUCT_FORWARD, self.name(record.name_offset))
        if kind is Kind.TYPEDEF:
            name = struct.pack("<I", self.name(record.name_offset))
            return self.head(TYPEDEF, TYPEDEF_VOID, name, record.size_or_type)
        if kind is Kind.PROTOTYPE:
            return self._prototype(record)
        return self.head(*_REFERENCES[kind], b"", record.size_or_type)

    def head(self, code: int, code_of_void: int, name: bytes, type_id: int) -> bytes:
        if self._is_void(type_id):
            return bytes([code_of_void]) + name
        return bytes([code]) + name + struct.pack("<I", self.offsets[type_id])

    def _encoding(self, record: Record) -> Encoding:
        if record.kind is Kind.FLOAT:
            return Encoding.FLOAT
        flags = self.btf.words(record, 1)[0] >> 24
        if flags & _INT_BOOL:
            return Encoding.BOOLEAN
        if flags & _INT_CHAR or record.name == "char":
            return Encoding.SIGNED_CHAR
        if flags & _INT_SIGNED:
            return Encoding.SIGNED
        return Encoding.UNSIGNED_CHAR if record.name == "unsigned char" else Encoding.UNSIGNED

    def _aggregate(self, record: Record) -> bytes:
        is_struct, size = record.kind is Kind.STRUCT, record.size_or_type
        if record.name_offset:
            head = struct.pack("<BII", STRUCT if is_struct else UNION, self.name(record.name_offset), size)
        else:
            head = struct.pack("<BI", STRUCT_ANONYMOUS if is_struct else UNION_ANONYMOUS, size)
        offsets = self.offsets
        out = [head]
        for name, type_id, bit_offset, bits in self.btf.raw_members(record):
            if bits and name:
                out.append(struct.pack("<BIIBI", MEMBER_BITS, self.name(name), offsets[type_id], bits, bit_offset))
            elif name:
                out.append(struct.pack("<BIII", MEMBER, self.name(name), offsets[type_id], bit_offset >> 3))
            else:
                out.append(struct.pack("<BII", MEMBER_ANONYMOUS, offsets[type_id], bit_offset >> 3))
        return b"".join(out) + b"\0"

    def _enumeration(self, record: Record) -> bytes:
        size = record.size_or_type & 0xFF
        head = (
            struct.pack("<BIB", ENUM, self.name(record.name_offset), size)
            if record.name_offset
            else bytes([ENUM_ANONYMOUS, size])
        )
        body = [
            struct.pack("<BIQ", ENUMERATOR, self.name(name), value & 0xFFFF_FFFF_FFFF_FFFF)
            for name, value in self.btf.raw_enumerators(record)
        ]
        return head + b"".join(body) + b"\0"

    def _prototype(self, record: Record) -> bytes:
        parameters = [
            struct.pack("<BI", PARAMETER, self.offsets[type_id]) if type_id else bytes([ELLIPSIS])
            for _, type_id in self.btf.raw_parameters(record)
        ]
        head = self.head(PROTOTYPE, PROTOTYPE_VOID, b"", record.size_or_type)
        return head + b"".join(parameters) + b"\0"


def _member_size(member: tuple[int, int, int, int]) -> int:
    name, _, _, bits = member
    if not name:
        return 9
    return 14 if bits else 13
