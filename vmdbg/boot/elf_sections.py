"""Section headers as Multiboot kernels are given them: with the sections that are not part of the kernel in memory.

Source: System V gABI, chapter 4, "Sections"; what is loaded is what GRUB loads: every section that has contents and
no address, such as the symbol table and the names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vmdbg.boot.elf_file import ElfFile
from vmdbg.boot.layout import Layout
from vmdbg.errors import UserError

_NOBITS = 8
_MOST = 4096


@dataclass(frozen=True, slots=True)
class SectionHeaders:
    """The table with addresses filled in; `names` is the index of the section that holds the names."""

    count: int
    entry_size: int
    names: int
    headers: bytes


@dataclass(frozen=True, slots=True)
class _Form:
    """Where the fields of a section header are, by the size of addresses."""

    table: tuple[str, int]
    counts: int
    size: int
    address: tuple[str, int]
    extent: tuple[str, int]


_FORMS = {
    False: _Form(("<I", 32), 46, 40, ("<I", 12), ("<II", 16)),
    True: _Form(("<Q", 40), 58, 64, ("<Q", 16), ("<QQ", 24)),
}


def placed_sections(layout: Layout, elf: ElfFile) -> SectionHeaders | None:
    """Place what has no address; None for a file without sections.

    What has one keeps it: it is where the kernel was linked, also of a kernel that was moved. Raises UserError where
    the table is damaged or too little memory is left.
    """
    form = _FORMS[elf.is_64bit]
    (table,) = struct.unpack_from(form.table[0], elf.data, form.table[1])
    size, count, names = struct.unpack_from("<3H", elf.data, form.counts)
    if not table or not count:
        return None
    if count > _MOST or size < form.size or table + size * count > len(elf.data):
        raise UserError(
            f"{elf.name} is damaged: {count} section headers of {size} bytes at offset {table:#x} of {len(elf.data)}"
        )
    headers = bytearray(elf.data[table : table + size * count])
    for start in range(0, len(headers), size):
        _place(layout, elf, headers, start)
    return SectionHeaders(count, size, names, bytes(headers))


def _place(layout: Layout, elf: ElfFile, headers: bytearray, start: int) -> None:
    form = _FORMS[elf.is_64bit]
    at = start + form.address[1]
    (address,) = struct.unpack_from(form.address[0], headers, at)
    (kind,) = struct.unpack_from("<I", headers, start + 4)
    offset, length = struct.unpack_from(form.extent[0], headers, start + form.extent[1])
    if not address and length and kind != _NOBITS:
        if offset + length > len(elf.data):
            raise UserError(
                f"{elf.name} is truncated: a section of {length} bytes at offset {offset:#x} goes beyond the file"
            )
        placed = layout.place_above(elf.data[offset : offset + length], f"a section of {elf.name}")
        struct.pack_into(form.address[0], headers, at, placed)
