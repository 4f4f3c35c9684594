"""BTF as DWARF: every type and function prototype of the kernel as debugging information entries.

`.debug_str` is BTF's own string section, so names cost nothing. Two passes: sizes give every type its offset,
then entries are written with references that are known. One compile unit.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmdbg.os.linux.btf import Btf, Kind, Record
from vmdbg.os.linux.calling import ARGUMENT_REGISTERS, passed_in_registers
from vmdbg.os.linux.dwarf import (
    LANGUAGE_C99,
    OP_ADDR,
    OP_CALL_FRAME_CFA,
    OP_REG0,
    REGISTERS,
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
    PARAMETER_ELSEWHERE,
    PARAMETER_IN_REGISTER,
    POINTER,
    POINTER_VOID,
    PROTOTYPE,
    PROTOTYPE_VOID,
    RESTRICT,
    RESTRICT_VOID,
    STRUCT,
    STRUCT_ANONYMOUS,
    STRUCT_FORWARD,
    SUBPROGRAM,
    SUBPROGRAM_VOID,
    SUBRANGE,
    TYPEDEF,
    TYPEDEF_VOID,
    UNION,
    UNION_ANONYMOUS,
    UNION_FORWARD,
    UNIT,
    VARIABLE,
    VOLATILE,
    VOLATILE_VOID,
    abbreviation_table,
)
from vmdbg.os.linux.types import Type

PARAMETER_REGISTERS = tuple(REGISTERS[name] for name in ARGUMENT_REGISTERS)
# A function's arguments are in their registers at its first instruction, which may be ENDBR64 (4 bytes).
ENTRY_LENGTH = 5
_HEADER = struct.Struct("<IHIB")
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


@dataclass(frozen=True, slots=True)
class Code:
    """A function's [start, end) in the guest."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DwarfSections:
    info: bytes
    abbreviations: bytes
    strings: bytes
    locations: bytes


def debug_sections(
    btf: Btf,
    low: int,
    high: int,
    functions: Mapping[str, Sequence[Code]],
    variables: Mapping[str, tuple[int, int]],
) -> DwarfSections:
    """`functions` by name; `variables` as name -> (type id, address); `low` and `high` bound the code."""
    writer = _Writer(btf, low)
    info = writer.write(high, functions, variables)
    return DwarfSections(info, abbreviation_table(), writer.strings(), bytes(writer.locations))


class _Writer:
    def __init__(self, btf: Btf, low: int) -> None:
        self._btf = btf
        self._low = low
        self._extra = bytearray()
        self._records = list(btf)
        self._offsets = [0] * btf.end_id
        self.locations = bytearray()
        self._words: dict[int, int] = {}
        self._index_type = next(iter(btf.ids_of_kind(Kind.INT)), 0)

    def strings(self) -> bytes:
        return self._btf.string_section + bytes(self._extra)

    def _string(self, text: str) -> int:
        offset = len(self._btf.string_section) + len(self._extra)
        self._extra += text.encode() + b"\0"
        return offset

    def write(
        self, high: int, functions: Mapping[str, Sequence[Code]], variables: Mapping[str, tuple[int, int]]
    ) -> bytes:
        unit = struct.pack(
            "<BIBIQI", UNIT, self._string("vmdbg, from the guest's BTF"), LANGUAGE_C99,
            self._string("linux"), self._low, high - self._low,
        )  # fmt: skip
        position = _HEADER.size + len(unit)
        for record in self._records:
            self._offsets[record.id] = position
            position += self._size(record)
        self._resolve_tags()
        out = [unit]
        out += [self._entry(record) for record in self._records if record.kind not in _NO_ENTRY]
        out += self._subprograms(functions)
        out += [self._variable(name, *where) for name, where in variables.items()]
        body = b"".join(out) + b"\0"
        return _HEADER.pack(len(body) + _HEADER.size - 4, 4, 0, 8) + body

    def _resolve_tags(self) -> None:
        """A type tag has no entry of its own: it stands for what it tags."""
        for record in self._records:
            if record.kind in _TRANSPARENT:
                self._offsets[record.id] = self._offsets[self._untagged(record.id)]

    def _untagged(self, type_id: int) -> int:
        for _ in range(_MAX_TAGS):
            record = self._btf.record(type_id)
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
            bodies = sum(map(_member_size, self._btf.raw_members(record)))
            return (9 if record.name_offset else 5) + bodies + 1
        if kind in (Kind.ENUM, Kind.ENUM64):
            return (6 if record.name_offset else 2) + 13 * count + 1
        if kind in (Kind.INT, Kind.FLOAT, Kind.ARRAY, Kind.FORWARD):
            return _SIZES[kind]
        reference = 0 if self._is_void(record.size_or_type) else 4
        if kind is Kind.PROTOTYPE:
            parameters = sum(5 if type_id else 1 for _, type_id in self._btf.raw_parameters(record))
            return 1 + reference + parameters + 1
        return reference + _SIZES.get(kind, 1)

    def _entry(self, record: Record) -> bytes:
        kind = record.kind
        if kind in (Kind.STRUCT, Kind.UNION):
            return self._aggregate(record)
        if kind in (Kind.ENUM, Kind.ENUM64):
            return self._enumeration(record)
        if kind in (Kind.INT, Kind.FLOAT):
            return struct.pack("<BIBB", BASE, record.name_offset, record.size_or_type & 0xFF, self._encoding(record))
        if kind is Kind.POINTER:
            return self._head(POINTER, POINTER_VOID, b"", record.size_or_type) + b"\x08"
        if kind is Kind.ARRAY:
            element, _, count = self._btf.words(record, 3)
            index = self._offsets[self._index_type]
            return struct.pack("<BIBIIB", ARRAY, self._offsets[element], SUBRANGE, index, count, 0)
        if kind is Kind.FORWARD:
            return struct.pack("<BI", UNION_FORWARD if record.flag else STRUCT_FORWARD, record.name_offset)
        if kind is Kind.TYPEDEF:
            name = struct.pack("<I", record.name_offset)
            return self._head(TYPEDEF, TYPEDEF_VOID, name, record.size_or_type)
        if kind is Kind.PROTOTYPE:
            return self._prototype(record)
        return self._head(*_REFERENCES[kind], b"", record.size_or_type)

    def _head(self, code: int, code_of_void: int, name: bytes, type_id: int) -> bytes:
        if self._is_void(type_id):
            return bytes([code_of_void]) + name
        return bytes([code]) + name + struct.pack("<I", self._offsets[type_id])

    def _encoding(self, record: Record) -> Encoding:
        if record.kind is Kind.FLOAT:
            return Encoding.FLOAT
        flags = self._btf.words(record, 1)[0] >> 24
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
            head = struct.pack("<BII", STRUCT if is_struct else UNION, record.name_offset, size)
        else:
            head = struct.pack("<BI", STRUCT_ANONYMOUS if is_struct else UNION_ANONYMOUS, size)
        offsets = self._offsets
        out = [head]
        for name, type_id, bit_offset, bits in self._btf.raw_members(record):
            if bits and name:
                out.append(struct.pack("<BIIBI", MEMBER_BITS, name, offsets[type_id], bits, bit_offset))
            elif name:
                out.append(struct.pack("<BIII", MEMBER, name, offsets[type_id], bit_offset >> 3))
            else:
                out.append(struct.pack("<BII", MEMBER_ANONYMOUS, offsets[type_id], bit_offset >> 3))
        return b"".join(out) + b"\0"

    def _enumeration(self, record: Record) -> bytes:
        size = record.size_or_type & 0xFF
        head = (
            struct.pack("<BIB", ENUM, record.name_offset, size) if record.name_offset else bytes([ENUM_ANONYMOUS, size])
        )
        body = [
            struct.pack("<BIQ", ENUMERATOR, name, value & 0xFFFF_FFFF_FFFF_FFFF)
            for name, value in self._btf.raw_enumerators(record)
        ]
        return head + b"".join(body) + b"\0"

    def _prototype(self, record: Record) -> bytes:
        parameters = [
            struct.pack("<BI", PARAMETER, self._offsets[type_id]) if type_id else bytes([ELLIPSIS])
            for _, type_id in self._btf.raw_parameters(record)
        ]
        head = self._head(PROTOTYPE, PROTOTYPE_VOID, b"", record.size_or_type)
        return head + b"".join(parameters) + b"\0"

    def _subprograms(self, functions: Mapping[str, Sequence[Code]]) -> list[bytes]:
        return [
            self._subprogram(record, self._btf.record(record.size_or_type), code)
            for record in self._records
            if record.kind is Kind.FUNCTION
            for code in functions.get(record.name, ())
        ]

    def _subprogram(self, record: Record, prototype: Record, code: Code) -> bytes:
        offsets = self._offsets
        name = struct.pack("<I", record.name_offset)
        code_range = struct.pack("<QIBB", code.start, code.end - code.start, 1, OP_CALL_FRAME_CFA)
        out = [self._head(SUBPROGRAM, SUBPROGRAM_VOID, name, prototype.size_or_type) + code_range]
        position = 0
        for name_offset, type_id in self._btf.raw_parameters(prototype):
            if not type_id:
                out.append(bytes([ELLIPSIS]))
                continue
            words = self._words.get(type_id)
            if words is None:
                words = self._words[type_id] = passed_in_registers(Type(self._btf, type_id))
            if words == 1 and position < len(PARAMETER_REGISTERS):
                where = self._register_at_entry(PARAMETER_REGISTERS[position], code)
                out.append(struct.pack("<BIII", PARAMETER_IN_REGISTER, name_offset, offsets[type_id], where))
            else:
                out.append(struct.pack("<BII", PARAMETER_ELSEWHERE, name_offset, offsets[type_id]))
            position += words
        return b"".join(out) + b"\0"

    def _register_at_entry(self, register: int, code: Code) -> int:
        """A location list: in the register at the function's entry, nowhere afterwards."""
        offset = len(self.locations)
        start = code.start - self._low
        end = min(start + ENTRY_LENGTH, code.end - self._low)
        self.locations += struct.pack("<QQHBQQ", start, end, 1, OP_REG0 + register, 0, 0)
        return offset

    def _variable(self, name: str, type_id: int, address: int) -> bytes:
        return struct.pack("<BIIBBQ", VARIABLE, self._string(name), self._offsets[type_id], 9, OP_ADDR, address)


def _member_size(member: tuple[int, int, int, int]) -> int:
    name, _, _, bits = member
    if not name:
        return 9
    return 14 if bits else 13
