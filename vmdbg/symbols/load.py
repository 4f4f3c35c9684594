"""A symbol file of whatever kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.system_map import read_system_map
from vmdbg.symbols.table import SymbolTable

if TYPE_CHECKING:
    from vmdbg.dwarf.debug_file import DebugFile

ELF_MAGIC = b"\x7fELF"


def load_symbols(source: SymbolSource, slide: int = 0) -> SymbolTable:
    """ELF files, System.map and nm(1) output. Raises UserError."""
    return load_file(source, slide)[0]


def load_file(source: SymbolSource, slide: int = 0) -> tuple[SymbolTable, DebugFile | None]:
    """The table, and the file itself if it is ELF. Raises UserError."""
    if source.read(len(ELF_MAGIC)) != ELF_MAGIC:
        return read_system_map(source, slide), None
    from vmdbg.symbols.elf import open_elf, read_elf_symbols  # for guests with such a file only

    opened = open_elf(source)
    return read_elf_symbols(source, slide, opened), opened
