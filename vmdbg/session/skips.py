"""Functions that `step` does not stop in."""

from __future__ import annotations

from fnmatch import fnmatchcase

from vmdbg.symbols.symbol_set import SymbolSet


class Skips:
    """Patterns of function names."""

    def __init__(self, symbols: SymbolSet) -> None:
        self._symbols = symbols
        self.patterns: list[str] = []

    def skips(self, address: int) -> bool:
        location = self._symbols.nearest(address) if self.patterns else None
        return location is not None and any(fnmatchcase(location.symbol.name, one) for one in self.patterns)
