"""A symbol file of whatever kind."""

from __future__ import annotations

from pathlib import Path

from vmdbg.errors import UserError
from vmdbg.symbols.elf import read_elf_symbols
from vmdbg.symbols.system_map import read_system_map
from vmdbg.symbols.table import SymbolTable


def load_symbols(path: Path, slide: int = 0) -> SymbolTable:
    """ELF files, System.map and nm(1) output. Raises UserError."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return read_elf_symbols(path, slide) if magic == b"\x7fELF" else read_system_map(path, slide)
