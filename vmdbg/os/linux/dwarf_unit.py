"""One compile unit for a whole kernel: its types, its functions with their prototypes, a few variables.

`.debug_str` is BTF's own strings, so names cost nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmdbg.c.types import Kind
from vmdbg.os.linux.btf import Btf, Record
from vmdbg.os.linux.calling import ARGUMENT_REGISTERS, passed_in_registers
from vmdbg.os.linux.dwarf import (
    LANGUAGE_C99,
    OP_ADDR,
    OP_CALL_FRAME_CFA,
    OP_REG0,
    REGISTERS,
)
from vmdbg.os.linux.dwarf_abbreviations import (
    ELLIPSIS,
    PARAMETER_ELSEWHERE,
    PARAMETER_IN_REGISTER,
    SUBPROGRAM,
    SUBPROGRAM_VOID,
    UNIT,
    VARIABLE,
    abbreviation_table,
)
from vmdbg.os.linux.dwarf_types import TypeWriter
from vmdbg.os.linux.types import Type
from vmdbg.os.seam import DamagedError

PARAMETER_REGISTERS = tuple(REGISTERS[name] for name in ARGUMENT_REGISTERS)
# A function's arguments are in their registers at its first instruction, which may be ENDBR64 (4 bytes).
ENTRY_LENGTH = 5
_HEADER = struct.Struct("<IHIB")
_UNIT = struct.Struct("<BIBIQI")


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
    ranges: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """The types of the kernel or of one module, its functions by name, and [start, end) of its code."""

    btf: Btf
    functions: Mapping[str, Sequence[Code]]
    code: Code


def debug_sections(parts: Sequence[Part], variables: Mapping[str, tuple[int, int]]) -> DwarfSections:
    """The kernel's part comes first; `variables` of it as name -> (type id, address). Raises `DamagedError`."""
    try:
        unit = _Unit(parts)
        info = unit.write(variables)
    except (IndexError, struct.error) as error:
        raise DamagedError("BTF types", parts[0].btf.address) from error
    ranges = b"".join(struct.pack("<QQ", part.code.start, part.code.end) for part in parts) + bytes(16)
    return DwarfSections(info, abbreviation_table(), bytes(unit.strings), bytes(unit.locations), ranges)


class _Unit:
    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self.strings = bytearray()
        self.locations = bytearray()
        position = _HEADER.size + _UNIT.size
        self._writers: list[TypeWriter] = []
        for part in parts:
            base = self._writers[0] if self._writers else None
            writer = TypeWriter(part.btf, position, len(self.strings) - part.btf.first_string, base)
            self.strings += part.btf.string_section
            self._writers.append(writer)
            position = writer.end
        self._words: dict[int, int] = {}

    def _string(self, text: str) -> int:
        offset = len(self.strings)
        self.strings += text.encode() + b"\0"
        return offset

    def write(self, variables: Mapping[str, tuple[int, int]]) -> bytes:
        producer, name = self._string("vmdbg, from the guest's BTF"), self._string("linux")
        out = [_UNIT.pack(UNIT, producer, LANGUAGE_C99, name, 0, 0)]
        for writer in self._writers:
            out += writer.entries()
        for part, writer in zip(self._parts, self._writers, strict=True):
            self._words.clear()
            out += self._subprograms(part, writer)
        out += [self._variable(name, *where) for name, where in variables.items()]
        body = b"".join(out) + b"\0"
        return _HEADER.pack(len(body) + _HEADER.size - 4, 4, 0, 8) + body

    def _subprograms(self, part: Part, writer: TypeWriter) -> list[bytes]:
        return [
            self._subprogram(writer, record, part.btf.record(record.size_or_type), code)
            for record in writer.records
            if record.kind is Kind.FUNCTION
            for code in part.functions.get(record.name, ())
        ]

    def _subprogram(self, writer: TypeWriter, record: Record, prototype: Record, code: Code) -> bytes:
        name = struct.pack("<I", writer.name(record.name_offset))
        code_range = struct.pack("<QIBB", code.start, code.end - code.start, 1, OP_CALL_FRAME_CFA)
        out = [writer.head(SUBPROGRAM, SUBPROGRAM_VOID, name, prototype.size_or_type) + code_range]
        position = 0
        for name_offset, type_id in writer.btf.raw_parameters(prototype):
            if not type_id:
                out.append(bytes([ELLIPSIS]))
                continue
            words = self._words.get(type_id)
            if words is None:
                words = self._words[type_id] = passed_in_registers(Type(writer.btf, type_id))
            where, named = writer.offsets[type_id], writer.name(name_offset)
            if words == 1 and position < len(PARAMETER_REGISTERS):
                location = self._register_at_entry(PARAMETER_REGISTERS[position], code)
                out.append(struct.pack("<BIII", PARAMETER_IN_REGISTER, named, where, location))
            else:
                out.append(struct.pack("<BII", PARAMETER_ELSEWHERE, named, where))
            position += words
        return b"".join(out) + b"\0"

    def _register_at_entry(self, register: int, code: Code) -> int:
        """A location list: in the register at the function's entry, nowhere afterwards."""
        offset = len(self.locations)
        end = min(code.start + ENTRY_LENGTH, code.end)
        self.locations += struct.pack("<QQHBQQ", code.start, end, 1, OP_REG0 + register, 0, 0)
        return offset

    def _variable(self, name: str, type_id: int, address: int) -> bytes:
        where = self._writers[0].offsets[type_id]
        return struct.pack("<BIIBBQ", VARIABLE, self._string(name), where, 9, OP_ADDR, address)
