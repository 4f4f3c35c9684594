"""All that is known of names: tables of files and, behind them, what the guest's operating system says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from vmdbg.errors import UserError, VmdbgError
from vmdbg.os.seam import Location
from vmdbg.units import Linear

ALL = 1 << 24
MAX_COPIES = 16
_COPY = re.compile(r"[^.]+(\.(isra|constprop|part)\.\d+)+")


class Names(Protocol):
    """One source of symbols: a file's table or an operating system's."""

    def find(self, name: str) -> Linear | None: ...

    def nearest(self, address: int) -> Location | None: ...

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]: ...


class SymbolSet:
    """Asks tables in order, then the operating system as `guest` finds it now. Nothing here raises for the guest."""

    def __init__(self, tables: Iterable[Names] = (), guest: Callable[[], Names | None] = lambda: None) -> None:
        self.tables = list(tables)
        self._guest = guest

    def add(self, table: Names) -> None:
        self.tables.append(table)

    def remove(self, table: Names) -> None:
        self.tables.remove(table)

    def _sources(self) -> list[Names]:
        guest = self._guest()
        return [*self.tables, guest] if guest is not None else self.tables

    def find(self, name: str) -> Linear | None:
        """The address of a name; of the copy that GCC made of a function under another name, if it is the only one."""
        found = self._find(name)
        if found is not None or not name or "." in name:
            return found
        copies = {self._find(copy) for copy in self.matching(f"{name}.", MAX_COPIES) if _COPY.fullmatch(copy)}
        return copies.pop() if len(copies) == 1 else None

    def _find(self, name: str) -> Linear | None:
        for table in self._sources():
            try:
                found = table.find(name)
            except VmdbgError:
                continue
            if found is not None:
                return found
        return None

    def address_of(self, name: str) -> Linear:
        """Raises UserError if there is no such name."""
        found = self.find(name)
        if found is None:
            raise UserError(f"there is no symbol {name!r}")
        return found

    def nearest(self, address: int) -> Location | None:
        """Of all sources, the symbol that begins closest before the address."""
        best: Location | None = None
        for table in self._sources():
            try:
                found = table.nearest(address)
            except VmdbgError:
                continue
            if found is not None and (best is None or found.offset < best.offset):
                best = found
        return best

    def describe(self, address: int) -> str:
        """`symbol+0x12`, or "" for an address that belongs to none."""
        found = self.nearest(address)
        return str(found) if found is not None else ""

    def containing(self, text: str) -> Sequence[str]:
        """All names with `text` in them, sorted."""
        return [name for name in self.matching("", ALL) if text in name]

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]:
        names: set[str] = set()
        for table in self._sources():
            try:
                names.update(table.matching(prefix, limit))
            except VmdbgError:
                continue
        return sorted(names)[:limit]
