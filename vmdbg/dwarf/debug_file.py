"""The debug information of one ELF file, opened in milliseconds whatever its size."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import IO, cast

import xxhash
from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.elf.elffile import ELFFile

from vmdbg.dwarf.relocations import PlacedSection, is_relocatable, layout, relocated
from vmdbg.dwarf.window import ReadAt, Window

DAMAGE = (
    ELFError, DWARFError, KeyError, ValueError, IndexError, AttributeError, AssertionError, OverflowError, TypeError,
    NotImplementedError, RecursionError, struct.error, EOFError, OSError,
)  # fmt: skip
"""What pyelftools raises for a damaged file."""
MAX_UNPACKED = 1 << 32
SMALL = 1 << 24
"""Bytes of .debug_info whose units can all be looked at."""
_COMPRESSED = 1 << 11
_SECTIONS = (
    "info", "aranges", "abbrev", "frame", "str", "loc", "ranges", "line", "pubtypes", "pubnames", "addr",
    "str_offsets", "line_str", "loclists", "rnglists", "types",
)  # fmt: skip
_HASHED_AT_ONCE = 1 << 22

Contents = Window | io.BytesIO
UnitRange = tuple[int, int, int]
"""Start and end of code or data, and the offset of the unit that it belongs to."""


class DebugFile:
    """Addresses are those that the file was linked for, or those of a layout of our own if it was not linked.

    `read_at` raises UserError when the file has changed. The methods raise what DAMAGE lists for a damaged file.
    """

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self.elf = ELFFile(_as_stream(Window(read_at, 0, size)))
        self._read_at = read_at
        self.sections: tuple[PlacedSection, ...] = layout(self.elf) if is_relocatable(self.elf) else ()
        self.address_size: int = self.elf.elfclass // 8
        self._streams: dict[str, Contents | None] = {}

    @property
    def has_units(self) -> bool:
        return self.section(".debug_info") is not None

    def section(self, name: str) -> Contents | None:
        """The contents of a section, unpacked and relocated; None if there is none."""
        if name not in self._streams:
            self._streams[name] = self._stream(name)
        return self._streams[name]

    def _stream(self, name: str) -> Contents | None:
        section = self.elf.get_section_by_name(name)
        old_name = f".z{name[1:]}"
        old = self.elf.get_section_by_name(old_name) if section is None else None
        if old is not None:
            return io.BytesIO(_unpacked_old(old.data()))
        if section is None or section["sh_type"] == "SHT_NOBITS":
            return None
        if section["sh_flags"] & _COMPRESSED and section.data_size > MAX_UNPACKED:
            raise ELFError(f"{name} would unpack to {section.data_size} bytes")
        if self.sections:
            return io.BytesIO(relocated(self.elf, section, section.data(), self.sections))
        if section["sh_flags"] & _COMPRESSED:
            return io.BytesIO(section.data())
        return Window(self._read_at, section["sh_offset"], section["sh_size"])

    def address_of(self, name: str) -> int:
        """Where a section is loaded."""
        for placed in self.sections:
            if placed.name == name:
                return placed.address
        section = self.elf.get_section_by_name(name)
        return int(section["sh_addr"]) if section is not None else 0

    @cached_property
    def info(self) -> DWARFInfo:
        sections = {f"debug_{name}_sec": self._descriptor(f".debug_{name}") for name in _SECTIONS}
        return DWARFInfo(
            config=DwarfConfig(
                little_endian=self.elf.little_endian,
                default_address_size=self.address_size,
                machine_arch=self.elf.get_machine_arch(),
            ),
            eh_frame_sec=None,
            debug_sup_sec=None,
            gnu_debugaltlink_sec=None,
            **sections,
        )

    def _descriptor(self, name: str) -> DebugSectionDescriptor | None:
        stream = self.section(name)
        if stream is None:
            return None
        size = stream.size if isinstance(stream, Window) else len(stream.getbuffer())
        return DebugSectionDescriptor(_as_stream(stream), name, global_offset=0, size=size, address=0)

    def identity(self, names: Iterable[str]) -> str:
        """A hash of the section headers and of these sections: what is kept of them on disk is found by it."""
        header = self.elf.header
        state = xxhash.xxh3_128(self._read_at(header["e_shoff"], header["e_shnum"] * header["e_shentsize"]))
        for name in names:
            section = self.elf.get_section_by_name(name)
            is_there = section is not None and section["sh_type"] != "SHT_NOBITS"
            start, size = (section["sh_offset"], section["sh_size"]) if section is not None and is_there else (0, 0)
            state.update(f"{name} {size} ".encode())
            for done in range(0, size, _HASHED_AT_ONCE):
                state.update(self._read_at(start + done, min(_HASHED_AT_ONCE, size - done)))
        return state.hexdigest()

    # units

    def units(self) -> Iterator[CompileUnit]:
        """All compilation units; up to the first that is damaged."""
        if not self.has_units:
            return
        try:
            yield from self.info.iter_CUs()
        except DAMAGE:
            return

    def unit_at(self, address: int) -> CompileUnit | None:
        """The unit that the code of an address belongs to, or None."""
        index = bisect_right(self._unit_ranges, (address, 1 << 64, 0)) - 1
        if index < 0 or address >= self._unit_ranges[index][1]:
            return None
        return self.info.get_CU_at(self._unit_ranges[index][2])

    def unit_offset_at(self, address: int) -> int | None:
        index = bisect_right(self._unit_ranges, (address, 1 << 64, 0)) - 1
        if index < 0 or address >= self._unit_ranges[index][1]:
            return None
        return self._unit_ranges[index][2]

    @cached_property
    def _unit_ranges(self) -> list[UnitRange]:
        """Of .debug_aranges, and of the units that it does not list: assemblers and clang leave some out."""
        if not self.has_units:
            return []
        found = [one for one in self._aranges() if one[0] < one[1]]
        listed = {offset for _, _, offset in found}
        if not found or self._is_small:
            for unit in self.units():
                if unit.cu_offset not in listed:
                    found += self._ranges_of(unit)
        return sorted(found)

    @property
    def _is_small(self) -> bool:
        stream = self.section(".debug_info")
        return not isinstance(stream, Window) or stream.size < SMALL

    def _ranges_of(self, unit: CompileUnit) -> list[UnitRange]:
        from vmdbg.dwarf.ranges import entry_ranges

        try:
            ranges = entry_ranges(unit.get_top_DIE())
        except DAMAGE:
            return []
        return [(start, end, unit.cu_offset) for start, end in ranges if start < end]

    def _aranges(self) -> list[UnitRange]:
        """DWARF 5, 6.1.2."""
        stream = self.section(".debug_aranges")
        if stream is None:
            return []
        stream.seek(0)
        try:
            return list(_aranges(stream.read()))
        except (struct.error, ValueError):
            return []


def _as_stream(contents: Contents) -> IO[bytes]:
    """For pyelftools, which reads, seeks and tells: a Window has that of IO and no more."""
    return cast("IO[bytes]", contents)


def _aranges(data: bytes) -> Iterator[UnitRange]:
    position = 0
    while position + 12 <= len(data):
        (length,) = struct.unpack_from("<I", data, position)
        wide = length == 0xFFFF_FFFF
        start = position + 4
        if wide:
            (length,) = struct.unpack_from("<Q", data, start)
            start += 8
        end = start + length
        offset_size = 8 if wide else 4
        offset = int.from_bytes(data[start + 2 : start + 2 + offset_size], "little")
        address_size, segment_size = data[start + 2 + offset_size], data[start + 3 + offset_size]
        if address_size not in (4, 8) or segment_size or end > len(data):
            raise ValueError("aranges of an unknown form")
        pair = 2 * address_size
        first = position + (start + 4 + offset_size - position + pair - 1) // pair * pair
        rows = data[first : first + (end - first) // pair * pair]
        for low, size in struct.iter_unpack("<QQ" if address_size == 8 else "<II", rows):
            if size:
                yield low, low + size, offset
        position = end


def _unpacked_old(data: bytes) -> bytes:
    """A .zdebug section: GNU's form before SHF_COMPRESSED."""
    import zlib

    size = int.from_bytes(data[4:12], "big")
    if data[:4] != b"ZLIB" or size > MAX_UNPACKED:
        raise ELFError("a .zdebug section that cannot be unpacked")
    return zlib.decompressobj().decompress(data[12:], size)
