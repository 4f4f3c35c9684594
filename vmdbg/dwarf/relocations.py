"""What an object file that is not linked (a kernel module) leaves to whoever places its sections.

The sections that are loaded get addresses of a layout of our own, one after the other; whoever knows where the guest
has them translates (vmdbg.symbols.placement). Source: System V ABI, Relocation; x86-64 psABI 4.4; i386 psABI 4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

FIRST_ADDRESS = 0x1000
"""None is at 0, which means nothing in DWARF."""
PAGE = 0x1000
_ALLOCATED = 2
_64, _PC32, _32, _32S, _DTPOFF64, _DTPOFF32, _PC64 = 1, 2, 10, 11, 17, 21, 24
_FORMS_64 = {_64: "<Q", _PC32: "<I", _32: "<I", _32S: "<I", _PC64: "<Q", _DTPOFF64: "<Q", _DTPOFF32: "<I"}
_PLACE_64 = frozenset({_PC32, _PC64})
_FORMS_32 = {1: "<I", 2: "<I"}
_PLACE_32 = frozenset({2})


@dataclass(frozen=True, slots=True)
class PlacedSection:
    """A section that is loaded. `address` is that of the layout, not the guest's."""

    name: str
    index: int
    address: int
    size: int


def layout(elf: ELFFile) -> tuple[PlacedSection, ...]:
    """Of an ET_REL file."""
    placed, address = [], FIRST_ADDRESS
    for index, section in enumerate(elf.iter_sections()):
        if section["sh_flags"] & _ALLOCATED and section["sh_size"]:
            placed.append(PlacedSection(section.name, index, address, section["sh_size"]))
            address += section["sh_size"] + PAGE & -PAGE
    return tuple(placed)


def is_relocatable(elf: ELFFile) -> bool:
    """Only such a file has relocations to apply: a linker that keeps them has applied them (ld --emit-relocs)."""
    return bool(elf["e_type"] == "ET_REL")


def relocated(elf: ELFFile, section: Section, data: bytes, sections: tuple[PlacedSection, ...]) -> bytes:
    """The contents of a section with its relocations applied. Unknown kinds are left as they are."""
    table = elf.get_section_by_name(f".rela{section.name}") or elf.get_section_by_name(f".rel{section.name}")
    if table is None:
        return data
    places = {one.index: one.address for one in sections}
    value_of = _symbol_values(elf, elf.get_section(table["sh_link"]), places)
    index = elf.get_section_index(section.name)
    own = places.get(index, 0) if index is not None else 0
    changed = bytearray(data)
    is_64 = elf.elfclass == 64
    forms, relative = (_FORMS_64, _PLACE_64) if is_64 else (_FORMS_32, _PLACE_32)
    for offset, symbol, kind, addend in _entries(table, is_64):
        form = forms.get(kind)
        if form is None or offset + struct.calcsize(form) > len(changed):
            continue
        if addend is None:
            (addend,) = struct.unpack_from(form, changed, offset)
        value = value_of(symbol) + addend - (own + offset if kind in relative else 0)
        struct.pack_into(form, changed, offset, value & (1 << 8 * struct.calcsize(form)) - 1)
    return bytes(changed)


def _symbol_values(elf: ELFFile, table: Section, places: dict[int, int]) -> Callable[[int], int]:
    raw = table.data()
    if elf.elfclass == 64:
        entries = [(section, value) for _, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", raw)]
    else:
        entries = [(section, value) for _, value, _, _, _, section in struct.iter_unpack("<IIIBBH", raw)]

    def value(index: int) -> int:
        section, offset = entries[index] if index < len(entries) else (0, 0)
        return places.get(section, 0) + offset

    return value


def _entries(table: Section, is_64: bool) -> Iterator[tuple[int, int, int, int | None]]:
    """Offset, symbol, kind and addend (None: it is in place)."""
    raw, is_rela = table.data(), table["sh_type"] == "SHT_RELA"
    if is_64:
        form = "<QQq" if is_rela else "<QQ"
        return ((one[0], one[1] >> 32, one[1] & 0xFFFF_FFFF, one[2] if is_rela else None)
                for one in struct.iter_unpack(form, raw))  # fmt: skip
    form = "<IIi" if is_rela else "<II"
    return ((one[0], one[1] >> 8, one[1] & 0xFF, one[2] if is_rela else None)
            for one in struct.iter_unpack(form, raw))  # fmt: skip
