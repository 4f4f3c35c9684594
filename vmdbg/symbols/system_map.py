"""System.map and the output of nm(1): an address, a letter and a name a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vmdbg.errors import UserError
from vmdbg.symbols.table import Entry, SymbolTable

MAX_SIZE = 256 << 20


def read_system_map(path: Path, slide: int = 0) -> SymbolTable:
    """Raises UserError that names the line which does not fit."""
    try:
        if path.stat().st_size > MAX_SIZE:
            raise UserError(f"{path} is too large for a list of symbols")
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return SymbolTable(_entries(path, text), slide)


def _entries(path: Path, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            address, kind, name = int(words[0], 16), words[1], words[2]
        except (ValueError, IndexError):
            raise UserError(f"{path}, line {number}: not an address, a letter and a name: {line[:60]!r}") from None
        if kind not in "aAU?":
            yield Entry(name, address, 0, kind[:1])
