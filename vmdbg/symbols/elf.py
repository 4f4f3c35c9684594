"""Symbols of an ELF file. Source: System V ABI, Symbol Table."""

from __future__ import annotations

from collections.abc import Iterator

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from vmdbg.errors import UserError
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.table import Entry, SymbolTable

_KINDS = {"STT_FUNC": "t", "STT_OBJECT": "d", "STT_NOTYPE": "t", "STT_COMMON": "b", "STT_GNU_IFUNC": "t"}


def read_elf_symbols(source: SymbolSource, slide: int = 0) -> SymbolTable:
    """The table of a linked file; without one, its dynamic symbols. Raises UserError."""
    try:
        with source.open() as file:
            return SymbolTable(_entries(ELFFile(file)), slide, is_elf=True)
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error
    except (ELFError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise UserError(f"{source} is no ELF file that can be read: {error}") from error


def _entries(file: ELFFile) -> Iterator[Entry]:
    section = file.get_section_by_name(".symtab") or file.get_section_by_name(".dynsym")
    if not isinstance(section, SymbolTableSection):
        return
    for symbol in section.iter_symbols():
        kind = _KINDS.get(symbol["st_info"]["type"])
        if kind is None or not symbol.name or symbol["st_shndx"] in ("SHN_UNDEF", "SHN_ABS"):
            continue
        letter = _letter(file, symbol["st_shndx"], kind)
        global_ = symbol["st_info"]["bind"] != "STB_LOCAL"
        yield Entry(symbol.name, symbol["st_value"], symbol["st_size"], letter.upper() if global_ else letter)


def _letter(file: ELFFile, index: object, kind: str) -> str:
    """nm(1)'s letter: what has no type is code if its section is."""
    if kind != "t" or not isinstance(index, int) or index >= file.num_sections():
        return kind
    return "t" if file.get_section(index)["sh_flags"] & 4 else "d"
