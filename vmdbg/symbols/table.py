"""A sorted table of symbols, from whatever file, moved by a slide."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vmdbg.os.seam import Location, Symbol
from vmdbg.units import Linear

UNKNOWN_SIZE_REACH = 1 << 12
"""How far beyond the last symbol without a size an address still counts as its."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A symbol as a file has it: `address` before the slide; `size` 0 if the file does not say."""

    name: str
    address: int
    size: int = 0
    kind: str = "T"


class SymbolTable:
    """Symbols of one file. Implements `vmdbg.os.seam.Symbols` but for what it raises."""

    def __init__(self, entries: Iterable[Entry], slide: int = 0, *, is_elf: bool = False) -> None:
        self.is_elf = is_elf
        self.slide = slide
        self._entries = sorted(entries, key=_order)
        self._addresses = [entry.address for entry in self._entries]
        self._by_name: dict[str, int] = {}
        for entry in self._entries:
            self._by_name.setdefault(entry.name, entry.address)
        self._names: list[str] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Linear | None:
        address = self._by_name.get(name)
        return None if address is None else self._moved(address)

    def nearest(self, address: int) -> Location | None:
        """The symbol that contains the address; one without a size reaches to the next."""
        raw = address - self.slide
        end = bisect_right(self._addresses, raw)
        while end:
            start = bisect_left(self._addresses, self._addresses[end - 1])
            for index in range(start, end):
                if self._contains(index, raw):
                    best = self._entries[index]
                    symbol = Symbol(best.name, self._moved(best.address), best.size, best.kind)
                    return Location(symbol, raw - best.address)
            if any(entry.size for entry in self._entries[start:end]):
                return None
            end = start
        return None

    def _contains(self, index: int, raw: int) -> bool:
        entry = self._entries[index]
        if entry.size:
            return raw - entry.address < entry.size
        after = bisect_right(self._addresses, entry.address)
        before_next = after >= len(self._addresses) or raw < self._addresses[after]
        return before_next and raw - entry.address < UNKNOWN_SIZE_REACH

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]:
        """Names that begin with `prefix`, sorted."""
        if self._names is None:
            self._names = sorted(self._by_name)
        start = bisect_left(self._names, prefix)
        found = []
        for name in self._names[start : start + limit]:
            if not name.startswith(prefix):
                break
            found.append(name)
        return found

    def __iter__(self) -> Iterator[Symbol]:
        for entry in self._entries:
            yield Symbol(entry.name, self._moved(entry.address), entry.size, entry.kind)

    def _moved(self, address: int) -> Linear:
        return Linear(address + self.slide & (1 << 64) - 1)


def _order(entry: Entry) -> tuple[int, bool, bool, str]:
    """By address; functions and global names before labels at the same place."""
    return entry.address, entry.kind not in "tTwW", not entry.kind.isupper(), entry.name
