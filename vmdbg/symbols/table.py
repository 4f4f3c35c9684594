"""A sorted table of symbols, from whatever file, placed where the guest has them."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vmdbg.os.seam import Location, Symbol
from vmdbg.symbols.placement import Placement
from vmdbg.units import Linear

UNKNOWN_SIZE_REACH = 1 << 12
"""How far beyond the last symbol without a size an address still counts as its."""
MOST_NEAR = 4096
"""Addresses of which it is remembered what they belong to: a stop asks for the same few again and again."""
_HEAD = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """A symbol as a file has it: `address` before it is placed; `size` 0 if the file does not say."""

    name: str
    address: int
    size: int = 0
    kind: str = "T"


Column: TypeAlias = "array[int] | memoryview"


class Columns:
    """Symbols by address, a column each: the hundred thousand of a kernel are read from disk in a moment.

    `addresses` and `sizes` are those of the file; the name of symbol n is in `names` from `offsets[n]` to the next zero
    byte; `by_name` has the numbers of all symbols in the order of their names.
    """

    def __init__(self, addresses: Column, sizes: Column, offsets: Column, by_name: Column,
                 kinds: bytes | memoryview, names: bytes) -> None:  # fmt: skip
        self.addresses = addresses
        self.sizes = sizes
        self.offsets = offsets
        self.by_name = by_name
        self.kinds = kinds
        self.names = names

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Columns:
        ordered = sorted(entries, key=_order)
        encoded = [entry.name.encode("utf-8", "surrogateescape") for entry in ordered]
        offsets, position = array("I"), 0
        for name in encoded:
            offsets.append(position)
            position += len(name) + 1
        return cls(
            array("Q", [entry.address & (1 << 64) - 1 for entry in ordered]),
            array("Q", [entry.size for entry in ordered]),
            offsets,
            array("I", sorted(range(len(encoded)), key=encoded.__getitem__)),
            "".join(entry.kind for entry in ordered).encode("ascii", "replace"),
            b"".join(name + b"\0" for name in encoded),
        )

    def packed(self) -> bytes:
        columns = (self.addresses, self.sizes, self.offsets, self.by_name)
        head = _HEAD.pack(len(self.addresses), len(self.names))
        return head + b"".join(bytes(memoryview(column)) for column in columns) + bytes(self.kinds) + self.names

    @classmethod
    def unpacked(cls, data: memoryview) -> Columns:
        """What packed() made, which the caller vouches for."""
        count, size = _HEAD.unpack_from(data)
        at = _HEAD.size
        sizes, offsets = at + 8 * count, at + 16 * count
        by_name, kinds, names = offsets + 4 * count, offsets + 8 * count, offsets + 9 * count
        return cls(
            data[at:sizes].cast("Q"), data[sizes:offsets].cast("Q"), data[offsets:by_name].cast("I"),
            data[by_name:kinds].cast("I"), data[kinds:names], bytes(data[names : names + size]),
        )  # fmt: skip

    def raw_name(self, index: int) -> bytes:
        start = self.offsets[index]
        return self.names[start : self.names.index(b"\0", start)]

    def name(self, index: int) -> str:
        return self.raw_name(index).decode("utf-8", "replace")

    def kind(self, index: int) -> str:
        return chr(self.kinds[index])


class SymbolTable:
    """Symbols of one file. Implements `vmdbg.os.seam.Symbols` but for what it raises."""

    def __init__(self, entries: Iterable[Entry] | Columns, slide: int = 0, *, is_elf: bool = False) -> None:
        self.is_elf = is_elf
        self.placement = Placement(slide)
        self._columns = entries if isinstance(entries, Columns) else Columns.of(entries)
        self._near: dict[int, Location | None] = {}
        """What addresses belong to that were asked for, with the placement that is `_near_at`."""
        self._near_at = self.placement

    @property
    def columns(self) -> Columns:
        return self._columns

    @property
    def slide(self) -> int:
        return self.placement.slide

    @slide.setter
    def slide(self, slide: int) -> None:
        self.placement = Placement(slide)

    def __len__(self) -> int:
        return len(self._columns.addresses)

    def find(self, name: str) -> Linear | None:
        """The first of that name that is in the guest."""
        columns, raw = self._columns, name.encode("utf-8", "surrogateescape")
        for at in range(bisect_left(columns.by_name, raw, key=columns.raw_name), len(columns.by_name)):
            index = columns.by_name[at]
            if columns.raw_name(index) != raw:
                break
            placed = self.placement.to_guest(columns.addresses[index])
            if placed is not None:
                return Linear(placed)
        return None

    def has(self, name: str) -> bool:
        """Whether the file has a symbol of that name, wherever the guest has it."""
        columns, raw = self._columns, name.encode("utf-8", "surrogateescape")
        at = bisect_left(columns.by_name, raw, key=columns.raw_name)
        return at < len(columns.by_name) and columns.raw_name(columns.by_name[at]) == raw

    def nearest(self, address: int) -> Location | None:
        """The symbol that contains the address; one without a size reaches to the next."""
        if self._near_at is not self.placement or len(self._near) > MOST_NEAR:
            self._near, self._near_at = {}, self.placement
        if address not in self._near:
            self._near[address] = self._nearest(address)
        return self._near[address]

    def _nearest(self, address: int) -> Location | None:
        raw = self.placement.to_file(address)
        if raw is None:
            return None
        addresses, sizes = self._columns.addresses, self._columns.sizes
        end = bisect_right(addresses, raw)
        while end:
            start = bisect_left(addresses, addresses[end - 1])
            for index in range(start, end):
                if self._contains(index, raw):
                    symbol = self._symbol(index, address - (raw - addresses[index]))
                    return Location(symbol, raw - addresses[index])
            if any(sizes[index] for index in range(start, end)):
                return None
            end = start
        return None

    def _contains(self, index: int, raw: int) -> bool:
        addresses = self._columns.addresses
        size, address = self._columns.sizes[index], addresses[index]
        if size:
            return raw - address < size
        after = bisect_right(addresses, address)
        before_next = after >= len(addresses) or raw < addresses[after]
        return before_next and raw - address < UNKNOWN_SIZE_REACH

    def _symbol(self, index: int, address: int) -> Symbol:
        columns = self._columns
        where = Linear(address & (1 << 64) - 1)
        return Symbol(columns.name(index), where, columns.sizes[index], columns.kind(index))

    def matching(self, prefix: str, limit: int = 100) -> Sequence[str]:
        """Names that begin with `prefix`, sorted."""
        columns, raw = self._columns, prefix.encode("utf-8", "surrogateescape")
        found: list[str] = []
        for at in range(bisect_left(columns.by_name, raw, key=columns.raw_name), len(columns.by_name)):
            name = columns.raw_name(columns.by_name[at])
            if not name.startswith(raw) or len(found) >= limit:
                break
            text = name.decode("utf-8", "replace")
            if not found or text != found[-1]:
                found.append(text)
        return found

    def __iter__(self) -> Iterator[Symbol]:
        for index, address in enumerate(self._columns.addresses):
            placed = self.placement.to_guest(address)
            if placed is not None:
                yield self._symbol(index, placed)


def _order(entry: Entry) -> tuple[int, bool, bool, str]:
    """By address; functions and global names before labels at the same place."""
    return entry.address, entry.kind not in "tTwW", not entry.kind.isupper(), entry.name
