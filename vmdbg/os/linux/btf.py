"""BTF, the kernel's type information: an index over the raw section, records decoded when they are asked for.

Kernel documentation, Documentation/bpf/btf.rst. Type ids and string offsets of a module's split BTF continue
those of the kernel's. Id 0 is void.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from vmdbg.c.types import Enumerator, Kind
from vmdbg.os.seam import DamagedError

MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
NO_TYPES = _HEADER.pack(MAGIC, 1, 0, _HEADER.size, 0, 0, 0, 1) + b"\0"
"""The section of a kernel without one."""
MAX_SIZE = 64 << 20


_KINDS = tuple(Kind)
_FIXED = {Kind.INT: 4, Kind.ARRAY: 12, Kind.VARIABLE: 4, Kind.DECLARATION_TAG: 4}
_EACH = {
    Kind.STRUCT: 12,
    Kind.UNION: 12,
    Kind.ENUM: 8,
    Kind.PROTOTYPE: 8,
    Kind.SECTION: 12,
    Kind.ENUM64: 12,
}


class Record(NamedTuple):
    """The common part of a type. `vlen` counts its members; `size_or_type` is bytes, or a type id."""

    id: int
    kind: Kind
    name_offset: int
    vlen: int
    flag: bool
    size_or_type: int
    position: int
    btf: Btf

    @property
    def name(self) -> str:
        return self.btf.string(self.name_offset) if self.name_offset else ("void" if not self.id else "")


@dataclass(frozen=True, slots=True)
class Member:
    """`bit_offset` from the start of the aggregate; `bits` is 0 unless it is a bit-field."""

    name: str
    type: int
    bit_offset: int
    bits: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """An unnamed parameter of void type stands for `...`."""

    name: str
    type: int


class Btf:
    """One BTF section, over those it continues. `address` is where it lies in the guest, for messages.

    `fields` and `stripped` remember what was looked up, for `Type`.
    """

    def __init__(self, data: bytes, base: Btf | None = None, address: int = 0, index: bytes = b"") -> None:
        self.data = data
        self.base = base
        self.address = address
        self.end_id: int
        self.end_string: int
        self.first_id = base.end_id if base else 1
        self.first_string = base.end_string if base else 0
        types, types_end, self.strings, strings_end = self._header()
        if not 0 < types <= types_end <= len(data) or not self.strings <= strings_end <= len(data):
            raise DamagedError("BTF header", address)
        self.end_string = self.first_string + strings_end - self.strings
        self._strings_end = strings_end
        self._offsets = array("I")
        if index:
            self._offsets.frombytes(index)
        else:
            self._index(types, types_end)
        self.end_id = self.first_id + len(self._offsets)
        self._name_offsets: array[int] | None = None
        self._kinds = b""
        self._found: dict[tuple[str, frozenset[Kind]], int | None] = {}
        self._enumerators: dict[str, tuple[int, int] | None] = {}
        self._records: dict[int, Record] = {}
        self.fields: dict[tuple[int, str], object] = {}
        self.stripped: dict[int, object] = {}

    def _header(self) -> tuple[int, int, int, int]:
        if len(self.data) < _HEADER.size:
            raise DamagedError("BTF header", self.address)
        magic, _, _, length, types, types_size, strings, strings_size = _HEADER.unpack_from(self.data)
        if magic != MAGIC or length < _HEADER.size:
            raise DamagedError("BTF header", self.address)
        return length + types, length + types + types_size, length + strings, length + strings + strings_size

    def _index(self, position: int, end: int) -> None:
        data, unpack, append = self.data, _TYPE.unpack_from, self._offsets.append
        fixed = [_FIXED.get(kind, 0) + _TYPE.size for kind in Kind]
        each = [_EACH.get(kind, 0) for kind in Kind]
        try:
            while position < end:
                append(position)
                _, info, _ = unpack(data, position)
                kind = info >> 24 & 0x1F
                position += fixed[kind] + (info & 0xFFFF) * each[kind]
        except (IndexError, struct.error) as error:
            raise DamagedError("BTF types", self.address + position) from error
        if position != end:
            raise DamagedError("BTF types", self.address + end)

    @property
    def index(self) -> bytes:
        """Where each type begins in `data`, for a cache."""
        return self._offsets.tobytes()

    def string(self, offset: int) -> str:
        """The string at an offset that a type holds."""
        if self.base and offset < self.first_string:
            return self.base.string(offset)
        start = self.strings + offset - self.first_string
        end = self.data.find(b"\0", start, self._strings_end)
        if end < 0:
            raise DamagedError("BTF string", self.address + start)
        return self.data[start:end].decode("utf-8", "replace")

    def record(self, type_id: int) -> Record:
        """Raises `DamagedError` if nothing has this id."""
        found = self._records.get(type_id)
        if found is None:
            found = self._records[type_id] = self._record(type_id)
        return found

    def _record(self, type_id: int) -> Record:
        if self.base and type_id < self.first_id:
            return self.base.record(type_id)
        if type_id == 0:
            return Record(0, Kind.VOID, 0, 0, False, 0, 0, self)
        if not self.first_id <= type_id < self.end_id:
            raise DamagedError(f"BTF type {type_id}", self.address)
        position = self._offsets[type_id - self.first_id]
        name, info, size_or_type = _TYPE.unpack_from(self.data, position)
        kind = _KINDS[info >> 24 & 0x1F]
        flag = info >= 1 << 31
        return Record(type_id, kind, name, info & 0xFFFF, flag, size_or_type, position + _TYPE.size, self)

    def owner(self, type_id: int) -> Btf:
        """The section that holds this id."""
        return self.base.owner(type_id) if self.base and type_id < self.first_id else self

    def raw_members(self, record: Record) -> Iterator[tuple[int, int, int, int]]:
        """(name's string offset, type id, bit offset, bits) of each member of a struct or union."""
        entries = self.owner(record.id)._entries(record, "<III")
        if not record.flag:
            return ((name, type_id, offset, 0) for name, type_id, offset in entries)
        return ((name, type_id, offset & 0xFF_FFFF, offset >> 24) for name, type_id, offset in entries)

    def members(self, record: Record) -> list[Member]:
        """Of a struct or union."""
        return [
            Member(self.string(name), type_id, offset, bits) for name, type_id, offset, bits in self.raw_members(record)
        ]

    def raw_enumerators(self, record: Record) -> Iterator[tuple[int, int]]:
        """(name's string offset, value). Before the flag meant signedness (6.0), 32-bit ones were signed."""
        if record.kind is Kind.ENUM:
            return ((name, value) for name, value in self.owner(record.id)._entries(record, "<Ii"))
        sign = 1 << 63 if record.flag else 0
        entries = self.owner(record.id)._entries(record, "<III")
        return ((name, ((high << 32 | low) ^ sign) - sign) for name, low, high in entries)

    def enumerators(self, record: Record) -> list[Enumerator]:
        return [Enumerator(self.string(name), value) for name, value in self.raw_enumerators(record)]

    def enumerator(self, name: str) -> tuple[int, int] | None:
        """The first enum that has an enumerator of that name, and its number; the section's own before its base's."""
        if name not in self._enumerators:
            self._enumerators[name] = self._find_enumerator(name)
        return self._enumerators[name]

    def _find_enumerator(self, name: str) -> tuple[int, int] | None:
        offsets = set(self._string_offsets(name.encode()))
        for kind in (Kind.ENUM, Kind.ENUM64) if offsets else ():
            for type_id in self.ids_of_kind(kind):
                for offset, value in self.raw_enumerators(self.record(type_id)):
                    if offset in offsets:
                        return type_id, value
        return self.base.enumerator(name) if self.base else None

    def raw_parameters(self, record: Record) -> Iterator[tuple[int, int]]:
        """(name's string offset, type id) of each parameter of a prototype."""
        return ((name, type_id) for name, type_id in self.owner(record.id)._entries(record, "<II"))

    def parameters(self, record: Record) -> list[Parameter]:
        return [Parameter(self.string(name), type_id) for name, type_id in self.raw_parameters(record)]

    @property
    def string_section(self) -> bytes:
        """This section's own strings, as they are."""
        return self.data[self.strings : self._strings_end]

    def _entries(self, record: Record, form: str) -> Iterator[tuple[int, ...]]:
        size = struct.calcsize(form) * record.vlen
        return struct.iter_unpack(form, self.data[record.position : record.position + size])

    def words(self, record: Record, count: int) -> tuple[int, ...]:
        """The 32-bit words behind a type: the encoding of an int, the triple of an array."""
        return struct.unpack_from(f"<{count}I", self.owner(record.id).data, record.position)

    def find(self, name: str, kinds: frozenset[Kind]) -> int | None:
        """The first type of that name and kind; the section's own before those of its base."""
        key = name, kinds
        if key not in self._found:
            self._found[key] = self._find(name, kinds)
        return self._found[key]

    def _find(self, name: str, kinds: frozenset[Kind]) -> int | None:
        for position in self._positions(name.encode()):
            if self._kind_of(position) in kinds:
                return self.first_id + position
        return self.base.find(name, kinds) if self.base else None

    def _positions(self, name: bytes) -> Iterator[int]:
        """Indexes of all types of that name in this section."""
        for offset in self._string_offsets(name):
            start = 0
            names = self._names()
            while True:
                try:
                    start = names.index(offset, start) + 1
                except ValueError:
                    break
                yield start - 1

    def _string_offsets(self, name: bytes) -> Iterator[int]:
        if self.base:
            yield from self.base._string_offsets(name)
        if not name:
            return
        if self.data.startswith(name + b"\0", self.strings, self._strings_end):
            yield self.first_string
            return
        at = self.data.find(b"\0" + name + b"\0", self.strings, self._strings_end)
        if at >= 0:
            yield at + 1 - self.strings + self.first_string

    def _names(self) -> array[int]:
        if self._name_offsets is None:
            data, unpack = self.data, struct.Struct("<II").unpack_from
            heads = [unpack(data, offset) for offset in self._offsets]
            self._name_offsets = array("I", [name for name, _ in heads])
            self._kinds = bytes([info >> 24 & 0x1F for _, info in heads])
        return self._name_offsets

    def _kind_of(self, position: int) -> Kind:
        self._names()
        return Kind(self._kinds[position])

    def ids_of_kind(self, kind: Kind) -> Iterator[int]:
        """Of this section only, ascending."""
        self._names()
        wanted = bytes([kind])
        position = self._kinds.find(wanted)
        while position >= 0:
            yield self.first_id + position
            position = self._kinds.find(wanted, position + 1)

    def __iter__(self) -> Iterator[Record]:
        """This section's types in order of their ids."""
        return (self.record(type_id) for type_id in range(self.first_id, self.end_id))
