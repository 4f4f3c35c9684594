"""What touched_coder.c and bit_coder.h do, plainly: how rows of what was touched become bits, and these bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from vmdbg.engine.touches import FETCH, NO_LINEAR_PAGE, WRITE

HALF = 1 << 15
SURE = 4
PLACES = 1 << 16
WORDS = 8
ALL = (1 << 64) - 1


@dataclass
class Row:
    linear: int = 0
    physical: int = 0
    kinds: int = 0
    lines: int = 0
    written: int = 0
    words: list[int] = field(default_factory=lambda: [0] * WORDS)


@dataclass
class Page:
    """What the rows of a physical page told: the last of them, and any."""

    kinds: int = 0
    lines: int = 0
    lines_ever: int = 0
    written: int = 0
    written_ever: int = 0
    words: dict[int, int] = field(default_factory=dict)
    """By line."""


class Bits:
    """Bits on their way to bytes, each by how likely it was: the interval between two numbers is divided so."""

    def __init__(self) -> None:
        self._low, self._high = 0, (1 << 32) - 1
        self._found = bytearray()

    def _shift(self) -> None:
        self._found.append(self._high >> 24)
        self._low = self._low << 8 & 0xFFFFFFFF
        self._high = self._high << 8 & 0xFFFFFFFF | 0xFF

    def put(self, bit: int, likely: int = HALF) -> None:
        """`likely`: that it is set, of 2**16."""
        middle = self._low + ((self._high - self._low) * likely >> 16)
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while self._low >> 24 == self._high >> 24:
            self._shift()

    def end(self) -> bytes:
        for _ in range(4):
            self._shift()
        return bytes(self._found)


class Model:
    """A stream of parts."""

    def __init__(self) -> None:
        self._chances: dict[Hashable, tuple[int, int]] = {}
        self._after_row: dict[int, tuple[int, int]] = {}
        self._after_page: dict[int, tuple[int, int]] = {}
        self._physical_of: defaultdict[int, int] = defaultdict(int)
        self._seen: defaultdict[int, Page] = defaultdict(Page)
        self._jumped_to = 0
        self._past = (0, 0)
        self._bits = Bits()

    def encode(self, rows: list[Row]) -> bytes:
        self._bits, self._past = Bits(), (0, 0)
        before = Row()
        for row in rows:
            self._row(before, row)
            before = row
        return self._bits.end()

    # how bits are foretold

    def _guess(self, what: Hashable, right: bool | int) -> bool:
        """Bits of the same `what` are foretold by those before."""
        likely, seen = self._chances.get(what, (HALF, 0))
        self._bits.put(bool(right), likely)
        seen = min(seen + 1, SURE)
        likely += (0x10000 - likely) >> seen if right else -(likely >> seen)
        self._chances[what] = likely, seen
        return bool(right)

    def _tree(self, what: Hashable, width: int, number: int) -> None:
        for bit in reversed(range(width)):
            self._guess((what, bit, number >> (bit + 1)), number >> bit & 1)

    def _number(self, what: Hashable, number: int) -> None:
        length = number.bit_length()
        self._tree((what, "length"), 7, length)
        if length > 1:
            self._guess((what, "second", length), number >> (length - 2) & 1)
        for bit in reversed(range(length - 2)):
            self._bits.put(number >> bit & 1)

    # what a row is

    def _row(self, before: Row, row: Row) -> None:
        self._place(before, row)
        seen = self._seen[row.physical % PLACES]
        self._kinds(_region(row.linear), seen.kinds, row.kinds)
        if row.kinds & FETCH:
            self._bitmap("lines", seen.lines, seen.lines_ever, row.lines)
            seen.lines, seen.lines_ever = row.lines, seen.lines_ever | row.lines
        if row.kinds & WRITE:
            self._stores(seen, row)
            seen.written = row.written
        seen.kinds = row.kinds

    def _place(self, before: Row, row: Row) -> None:
        region, past = _region(before.linear), self._past
        key, page = _place(before.linear * 0xC2B2AE3D27D4EB4F + before.physical), before.physical % PLACES
        after_row, after_page = self._after_row.get(key), self._after_page.get(page)
        step = (row.linear - before.linear) & ALL
        here = step, row.physical
        if after_page == after_row:
            after_page = None
        if after_row and self._guess(("row", region, past), here == after_row):
            how = 0
        elif after_page and self._guess(("page", region, past, bool(after_row)), here == after_page):
            how = 1
        elif self._guess(("next", region, past), here == (1, (before.physical + 1) & 0xFFFFFFFF)):
            how = 2
        else:
            how = 3
            self._number(("step", region, bool(after_row), bool(after_page)), step)
            self._physical(before, row, step)
        self._after_row[key] = self._after_page[page] = here
        self._physical_of[_place(row.linear)] = row.physical
        self._past = past[1], how

    def _physical(self, before: Row, row: Row, step: int) -> None:
        region = _region(before.linear)
        options = self._physical_of[_place(row.linear)], before.physical + step, before.physical + 1
        for name, option in enumerate(options):
            if self._guess(("physical", name, region), row.physical == option & 0xFFFFFFFF):
                return
        away = (row.physical - self._jumped_to) & 0xFFFFFFFF
        self._number(("away", region), (away << 1 & 0xFFFFFFFF) ^ (0xFFFFFFFF if away >> 31 else 0))
        self._jumped_to = row.physical

    def _kinds(self, region: int, before: int, kinds: int) -> None:
        if self._guess(("as before", region, before & 7), kinds == before):
            return
        self._tree(("kinds", region, before & 7), 3, kinds & 7)
        if self._guess("unknown kinds", kinds > 7):
            for bit in range(3, 8):
                self._bits.put(kinds >> bit & 1)

    def _bitmap(self, name: str, old: int, ever: int, bitmap: int) -> None:
        others = 0
        for at in range(0, 64, 8):
            old_byte, byte = old >> at & 0xFF, bitmap >> at & 0xFF
            settled = old_byte == ever >> at & 0xFF
            if self._guess((name, "same", old != 0, others, old_byte != 0, settled), old_byte == byte):
                continue
            others = min(others + 1, 3)
            for bit in range(at, at + 8):
                near = tuple((old << 1) >> (bit + place) & 1 for place in range(3))
                left = (bitmap << 2) >> bit & 3
                self._guess((name, "bit", old != 0, ever >> bit & 1, near, left), bitmap >> bit & 1)

    def _stores(self, seen: Page, row: Row) -> None:
        before = 0 if not seen.kinds else 1 if seen.written == ALL else 2 if seen.written else 3
        if self._guess(("all", _region(row.linear), before, row.kinds & 7), row.written == ALL):
            return
        self._bitmap("written", 0 if before == 1 else seen.written, seen.written_ever, row.written)
        seen.written_ever |= row.written
        self._words(seen.words, row)

    def _words(self, old: dict[int, int], row: Row) -> None:
        """`old`: what words of a line were written when it was told last, by line."""
        before = 0
        for line, words in zip(_lines(row.written), row.words, strict=False):
            below = before >> 7 if line and row.written >> (line - 1) & 1 else None
            known = old.get(line, 0)
            where = bool(known), below, row.written >> (line + 1) & 1
            if not self._guess(("same words", where), words == (known or before)):
                self._tree(("words", where), 8, words)
            before = old[line] = words


def _lines(written: int) -> Iterator[int]:
    return (line for line in range(64) if written >> line & 1)


def _region(linear: int) -> int:
    """Memory beside all pages; the lower half; the upper one; the uppermost two gigabytes of it."""
    if linear == NO_LINEAR_PAGE:
        return 0
    return 1 if linear < 1 << 36 else 3 if linear >> 19 == (1 << 33) - 1 else 2


def _place(number: int) -> int:
    return (number * 0x9E3779B97F4A7C15 & ALL) >> 48
