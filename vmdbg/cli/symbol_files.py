"""The files of --symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmdbg.session.symbol_file import SymbolFile


def symbol_files(names: Sequence[str]) -> tuple[SymbolFile, ...]:
    """Read once, for all who are to know their names. Raises UserError."""
    if not names:
        return ()
    from vmdbg.session.host_path import host_path  # a parser of ELF files, for who has some
    from vmdbg.session.symbol_file import read_symbol_file

    return tuple(read_symbol_file(host_path(name)) for name in names)
