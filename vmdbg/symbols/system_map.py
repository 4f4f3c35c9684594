"""System.map and the output of nm(1): an address, a letter and a name a line."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.errors import UserError
from vmdbg.files import read_at_most
from vmdbg.symbols.source import SymbolSource
from vmdbg.symbols.table import Entry, SymbolTable

MAX_SIZE = 256 << 20


def read_system_map(source: SymbolSource, slide: int = 0) -> SymbolTable:
    """Raises UserError that names the line which does not fit."""
    with source.open() as file:
        try:
            content = read_at_most(file, MAX_SIZE + 1)
        except OSError as error:
            raise UserError(f"cannot read {source}: {error.strerror}") from error
    if len(content) > MAX_SIZE:
        raise UserError(f"{source} is too large for a list of symbols")
    table = SymbolTable(_entries(source, content.decode("utf-8", "replace")), slide)
    if not len(table):
        why = "it is empty" if not content else "no line of it is an address, a letter and a name"
        raise UserError(f"{source} has no symbols: {why}")
    return table


def _entries(source: SymbolSource, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            address, kind, name = int(words[0], 16), words[1], words[2]
        except (ValueError, IndexError):
            if not line.isprintable():
                raise UserError(f"{source} has no symbols: it is no ELF file, System.map or output of nm") from None
            raise UserError(f"{source}, line {number}: not an address, a letter and a name: {line[:60]!r}") from None
        if kind not in "aAU?":
            yield Entry(name, address, 0, kind[:1])
