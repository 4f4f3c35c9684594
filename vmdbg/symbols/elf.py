"""Symbols of an ELF file. Source: System V ABI, Symbol Table."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from elftools.elf.sections import Section

from vmdbg.dwarf.debug_file import DAMAGE, DebugFile
from vmdbg.errors import UserError
from vmdbg.file_cache import FileCache
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.table import Columns, Entry, SymbolTable

CACHED = 20_000
"""Symbols from which on it pays to keep the sorted table on disk."""
_NOTYPE, _OBJECT, _FUNC, _COMMON, _IFUNC = 0, 1, 2, 5, 10
_KINDS = {_FUNC: "t", _OBJECT: "d", _NOTYPE: "t", _COMMON: "b", _IFUNC: "t"}
_EXECUTABLE = 4
_RESERVED = 0xFF00
_ANY_INDEX = 0xFFFF


def open_elf(source: SymbolSource) -> DebugFile:
    """Raises UserError."""
    reader = source.reader()
    try:
        return DebugFile(reader, reader.size)
    except DAMAGE as error:
        raise UserError(f"{source} is no ELF file that can be read: {error}") from error


def read_elf_symbols(source: SymbolSource, slide: int = 0, opened: DebugFile | None = None) -> SymbolTable:
    """The table of a file; without one, its dynamic symbols. Raises UserError.

    A file that was not linked has the addresses of its layout (vmdbg.dwarf.relocations).
    """
    file = opened or open_elf(source)
    try:
        return SymbolTable(_columns(file), slide, is_elf=True)
    except DAMAGE as error:
        raise UserError(f"{source} is no ELF file that can be read: {error}") from error


def _columns(file: DebugFile) -> Columns:
    section = _table(file)
    if section is None:
        return Columns.of(())
    strings = file.elf.get_section(section["sh_link"])
    if section["sh_size"] < CACHED * section["sh_entsize"]:
        return Columns.of(_entries(file, section, strings))
    cache, name = FileCache("symbols"), f"{file.identity((section.name, strings.name))}.symbols"
    kept = cache.load(name)
    if kept is not None:
        return Columns.unpacked(kept)
    made = Columns.of(_entries(file, section, strings))
    cache.save(name, made.packed())
    return made


def _table(file: DebugFile) -> Section | None:
    for name in (".symtab", ".dynsym"):
        section = file.elf.get_section_by_name(name)
        if section is not None and section["sh_type"] in ("SHT_SYMTAB", "SHT_DYNSYM"):
            return section
    return None


def _entries(file: DebugFile, table: Section, strings: Section) -> Iterator[Entry]:
    flags = [section["sh_flags"] for section in file.elf.iter_sections()]
    bases = {section.index: section.address for section in file.sections}
    names: bytes = strings.data()
    for name_offset, value, size, info, index in _rows(file, table):
        kind = _KINDS.get(info & 0xF)
        if kind is None or not index or (index >= _RESERVED and index != _ANY_INDEX) or name_offset >= len(names):
            continue
        if file.sections and index not in bases:
            continue
        name = names[name_offset : names.index(b"\0", name_offset)].decode("utf-8", "surrogateescape")
        if not name:
            continue
        letter = kind if kind != "t" or index >= len(flags) else "t" if flags[index] & _EXECUTABLE else "d"
        yield Entry(name, value + bases.get(index, 0), size, letter.upper() if info >> 4 else letter)


def _rows(file: DebugFile, table: Section) -> Iterator[tuple[int, int, int, int, int]]:
    """Name, value, size, info and section of each symbol."""
    order = "<" if file.elf.little_endian else ">"
    form = struct.Struct(order + ("IBBHQQ" if file.elf.elfclass == 64 else "IIIBBH"))
    raw = table.data()
    for row in form.iter_unpack(raw[: len(raw) // form.size * form.size]):
        if file.elf.elfclass == 64:
            name, info, _, index, value, size = row
        else:
            name, value, size, info, _, index = row
        yield name, value, size, info, index
