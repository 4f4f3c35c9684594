"""A symbol file of whatever kind."""

from __future__ import annotations

from vmdbg.symbols.elf import read_elf_symbols
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.system_map import read_system_map
from vmdbg.symbols.table import SymbolTable

ELF_MAGIC = b"\x7fELF"


def load_symbols(source: SymbolSource, slide: int = 0) -> SymbolTable:
    """ELF files, System.map and nm(1) output. Raises UserError."""
    elf = source.read(len(ELF_MAGIC)) == ELF_MAGIC
    return read_elf_symbols(source, slide) if elf else read_system_map(source, slide)
