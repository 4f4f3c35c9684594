"""Names for addresses in a report, from the symbol table of the ELF that was booted."""

from __future__ import annotations

import bisect
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_NAMED = ("STT_FUNC", "STT_NOTYPE", "STT_OBJECT")
FARTHEST = 1 << 20
"""Bytes beyond a symbol without a size that still bear its name."""


class ElfSymbols:
    """Looks addresses up; knows nothing if the file is no ELF or has no symbols."""

    def __init__(self, path: Path | None) -> None:
        self._symbols: list[tuple[int, int, str]] = []
        if path is None:
            return
        try:
            with path.open("rb") as file:
                table = ELFFile(file).get_section_by_name(".symtab")
                if isinstance(table, SymbolTableSection):
                    self._symbols = sorted(
                        (symbol["st_value"], symbol["st_size"], symbol.name)
                        for symbol in table.iter_symbols()
                        if symbol["st_info"]["type"] in _NAMED and symbol["st_shndx"] != "SHN_UNDEF" and symbol.name
                    )
        except (OSError, ELFError, ValueError, KeyError, UnicodeDecodeError, AttributeError):
            self._symbols = []  # no names is better than no report

    def name(self, address: int) -> str | None:
        """`symbol+0x12`, or None where no symbol is."""
        at = bisect.bisect_right(self._symbols, (address, 1 << 64, "")) - 1
        if at < 0:
            return None
        start, size, name = self._symbols[at]
        offset = address - start
        if offset >= (size or FARTHEST):
            return None
        return f"{name}+{offset:#x}" if offset else name
