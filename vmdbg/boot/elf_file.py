"""The little of ELF that loading needs, read with bounds everywhere (System V gABI, chapters 4 and 5)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmdbg.boot.image import InputFile
from vmdbg.errors import UserError

MAGIC = b"\x7fELF"
_ADDRESS_END = 1 << 64
_MOST_PROGRAM_HEADERS = 512

_MACHINES = {
    2: "SPARC",
    4: "Motorola 68000",
    8: "MIPS",
    20: "PowerPC",
    21: "64-bit PowerPC",
    22: "IBM S/390",
    40: "ARM",
    42: "SuperH",
    43: "64-bit SPARC",
    50: "Itanium",
    83: "AVR",
    183: "AArch64",
    243: "RISC-V",
    247: "BPF",
    258: "LoongArch",
}
_KINDS = {
    1: "an object file: link it first",
    4: "a core dump: name the kernel itself",
}


class SegmentType(enum.IntEnum):
    """p_type."""

    LOAD = 1
    DYNAMIC = 2
    INTERP = 3
    NOTE = 4


class Machine(enum.IntEnum):
    """e_machine, those that can run."""

    I386 = 3
    X86_64 = 62


ET_EXEC = 2
ET_DYN = 3


@dataclass(frozen=True, slots=True)
class ProgramHeader:
    """One entry of the program header table; `address` is p_paddr, `linear` p_vaddr."""

    type: int
    offset: int
    linear: int
    address: int
    file_size: int
    memory_size: int


@dataclass(frozen=True, slots=True)
class ElfFile:
    """An x86 executable. `entry` is e_entry as it stands, physical or linear as the linker was told."""

    name: str
    data: memoryview
    is_64bit: bool
    machine: Machine
    type: int
    entry: int
    headers: tuple[ProgramHeader, ...]

    @property
    def loads(self) -> tuple[ProgramHeader, ...]:
        """The segments that take memory, by physical address."""
        taking = (header for header in self.headers if header.type == SegmentType.LOAD and header.memory_size)
        return tuple(sorted(taking, key=lambda header: header.address))

    def content(self, header: ProgramHeader) -> memoryview:
        """The segment's bytes in the file, not copied."""
        return self.data[header.offset : header.offset + header.file_size]

    def physical(self, linear: int) -> int | None:
        """Where the byte linked at `linear` is loaded, or None when no segment holds it."""
        for header in self.loads:
            if header.linear <= linear < header.linear + header.memory_size:
                return linear - header.linear + header.address
        return None

    def notes(self) -> Iterator[tuple[str, int, bytes]]:
        """Name, type and descriptor of each note. A damaged note ends its segment."""
        for header in self.headers:
            if header.type == SegmentType.NOTE:
                yield from _notes(bytes(self.content(header)))


def parse(file: InputFile) -> ElfFile:
    """Read the headers. Raises UserError for what is damaged, not for x86, or no executable."""
    data, name = file.data, file.name
    if len(data) < 52 or data[:4] != MAGIC:
        raise UserError(f"{name} is too short for an ELF file")
    if data[5] != 1 or data[4] not in (1, 2):
        raise UserError(f"{name} is not a little-endian ELF file of 32 or 64 bits: it is not for x86")
    is_64bit = data[4] == 2
    if is_64bit and len(data) < 64:
        raise UserError(f"{name} is too short for an ELF file")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if machine not in (Machine.I386, Machine.X86_64):
        raise UserError(f"{name} is for {_MACHINES.get(machine, f'machine {machine}')}: vmdbg runs x86 guests only")
    if kind not in (ET_EXEC, ET_DYN):
        raise UserError(f"{name} is {_KINDS.get(kind, f'an ELF file of type {kind}, not an executable')}")
    (entry,) = struct.unpack_from("<Q" if is_64bit else "<I", data, 24)
    return ElfFile(name, data, is_64bit, Machine(machine), kind, entry, tuple(_headers(data, name, is_64bit)))


def _headers(data: memoryview, name: str, is_64bit: bool) -> Iterator[ProgramHeader]:
    if is_64bit:
        (table,), (size, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    else:
        (table,), (size, count) = struct.unpack_from("<I", data, 28), struct.unpack_from("<HH", data, 42)
    if count > _MOST_PROGRAM_HEADERS or size < (56 if is_64bit else 32):
        raise UserError(f"{name} is damaged: {count} program headers of {size} bytes each")
    if table + size * count > len(data):
        raise UserError(f"{name} is truncated: its program headers end beyond the file")
    for index in range(count):
        header = _header(data, table + index * size, is_64bit)
        if header.type in (SegmentType.LOAD, SegmentType.NOTE):
            _check(header, len(data), name)
        yield header


def _header(data: memoryview, position: int, is_64bit: bool) -> ProgramHeader:
    if is_64bit:
        kind, _, offset, linear, address, file_size, memory_size, _ = struct.unpack_from("<IIQQQQQQ", data, position)
    else:
        kind, offset, linear, address, file_size, memory_size, _, _ = struct.unpack_from("<8I", data, position)
    return ProgramHeader(kind, offset, linear, address, file_size, memory_size)


def _check(header: ProgramHeader, length: int, name: str) -> None:
    if header.offset + header.file_size > length:
        raise UserError(
            f"{name} is truncated: a segment of {header.file_size} bytes at offset {header.offset:#x} "
            f"goes beyond the file's {length} bytes"
        )
    if header.type == SegmentType.LOAD and header.file_size > header.memory_size:
        raise UserError(
            f"{name} is damaged: a segment at offset {header.offset:#x} is larger in the file than in memory"
        )
    if max(header.address, header.linear) + header.memory_size > _ADDRESS_END:
        raise UserError(f"{name} is damaged: a segment wraps round the end of the address space")


def _notes(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    position = 0
    while position + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<3I", data, position)
        start = position + 12 + (name_size + 3 & ~3)
        position = start + (size + 3 & ~3)
        if start + size > len(data):
            return
        name = data[start - (name_size + 3 & ~3) :][:name_size].rstrip(b"\0")
        yield name.decode("ascii", "replace"), kind, data[start : start + size]
