"""The files of --symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmdbg.errors import UserError

if TYPE_CHECKING:
    from vmdbg.session.symbol_file import SymbolFile

_TELLING = (".debug_info", ".debug_line", ".debug_frame", ".eh_frame")
"""Sections that are of use without a symbol."""


def symbol_files(names: Sequence[str]) -> tuple[SymbolFile, ...]:
    """Read once, for all who are to know their names. Raises UserError."""
    if not names:
        return ()
    from vmdbg.session.host_path import host_path  # a parser of ELF files, for who has some
    from vmdbg.session.symbol_file import read_symbol_file

    try:
        return tuple(_of_use(read_symbol_file(host_path(name))) for name in names)
    except UserError as error:
        raise UserError(f"--symbols: {error}") from None


def _of_use(file: SymbolFile) -> SymbolFile:
    """Raises UserError for a file that tells of nothing."""
    if not len(file.table) and file.debug is not None and not any(map(file.debug.section, _TELLING)):
        raise UserError(f"{file.path} has no symbols and no debug information: it was stripped of them")
    return file
