"""What a part of the history touched: which stops it cannot have."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import add

import zstandard

from vmdbg.engine.exits import Access, EventKind
from vmdbg.engine.stops import Catches, Stops, Watchpoint
from vmdbg.engine.touches import EVENTS, FETCH, NO_LINEAR_PAGE, NO_PHYSICAL_PAGE, READ, WRITE, Touches
from vmdbg.errors import RecordingError
from vmdbg.units import PAGE_SIZE

MOST_ROWS = 1 << 18
_ROW = 8 + 8 + 4 + 1
_LINE = PAGE_SIZE // 64
_PACKER = zstandard.ZstdCompressor(level=3)
_PORT = 3
"""Bytes of a port in Touches.ports."""
MOST_PORT_BYTES = _PORT << 16
_KINDS = {Access.READ: READ, Access.WRITE: WRITE}
_PORT_EVENTS = {EventKind.PORT_READ: READ, EventKind.PORT_WRITE: WRITE}


@dataclass(frozen=True, slots=True)
class Rows:
    """Pages in columns, by linear page, ascending; the last have none, NO_LINEAR_PAGE."""

    linear: array[int]
    lines: array[int]
    physical: array[int]
    kinds: bytes

    def has_linear(self, pages: range, kinds: int) -> bool:
        """Whether any of these linear pages was touched in any of these ways."""
        first, last = bisect_left(self.linear, pages.start), bisect_left(self.linear, pages.stop)
        return any(kind & kinds for kind in self.kinds[first:last])

    def has_code(self, address: int) -> bool:
        """Whether an instruction may have begun at this linear address, or close by."""
        page, bit = address // PAGE_SIZE, 1 << address % PAGE_SIZE // _LINE
        first, last = bisect_left(self.linear, page), bisect_right(self.linear, page)
        return any(lines & bit for lines in self.lines[first:last])

    def has_physical(self, pages: range, kinds: int) -> bool:
        """Likewise, for physical pages."""
        return any(kind & kinds for page, kind in zip(self.physical, self.kinds, strict=True) if page in pages)

    def of_linear(self, pages: range) -> frozenset[int]:
        """The physical pages that these were."""
        return frozenset(self.physical[bisect_left(self.linear, pages.start) : bisect_left(self.linear, pages.stop)])

    def beside(self, kinds: int) -> frozenset[int]:
        """The physical pages that were touched in these ways, and in no access of an instruction."""
        first = bisect_left(self.linear, NO_LINEAR_PAGE)
        pages = zip(self.physical[first:], self.kinds[first:], strict=True)
        return frozenset(page for page, kind in pages if kind & kinds)


@dataclass(frozen=True, slots=True)
class Touched:
    """What engine.touches.Touches says, packed: `rows` is one zstd frame of its columns."""

    rows: bytes
    ports: bytes = b""
    exceptions: int = 0
    interrupts: int = 0
    events: frozenset[EventKind] = frozenset()
    everything: bool = False
    stopped: bool = False
    """It ended a run by itself, as by executing where there is no memory."""

    @classmethod
    def of(cls, touches: Touches, *, stopped: bool = False) -> Touched:
        columns = b"" if touches.everything else touches.linear + touches.lines + touches.physical + touches.kinds
        return cls(
            _PACKER.compress(columns),
            touches.ports,
            touches.exceptions,
            touches.interrupts,
            touches.events,
            touches.everything,
            stopped,
        )

    @property
    def pages(self) -> Rows:
        """Raises RecordingError if it is damaged."""
        return _unpacked(self.rows)

    def check(self) -> None:
        """Raises RecordingError if it is damaged."""
        if len(self.ports) % _PORT:
            raise RecordingError("part of the history index is damaged: its ports are none")
        _ = self.pages

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.rows) + len(self.ports) + 300

    def may_stop(self, stops: Stops, aliases: Aliases) -> bool:
        """Whether a run through this part could have met one of `stops`. Sure only when it is False."""
        if self.everything or self.stopped:
            return True
        if self._may_catch(stops.catches):
            return True
        breakpoints, watchpoints = stops.breakpoints, stops.watchpoints
        if not (breakpoints.linear or breakpoints.physical or watchpoints):
            return False
        rows = self.pages
        if any(rows.has_code(address) for address in breakpoints.linear):
            return True
        if any(rows.has_physical(page, FETCH) for page in _pages(breakpoints.physical)):
            return True
        return any(_may_hit(rows, watchpoint, aliases) for watchpoint in watchpoints)

    def _may_catch(self, catches: Catches) -> bool:
        if catches.devices:  # which the index does not have
            return True
        if _bits(catches.vectors) & self.exceptions or _bits(catches.interrupts) & self.interrupts:
            return True
        others = catches.events - _PORT_EVENTS.keys()
        if others - EVENTS or others & self.events:
            return True
        wanted = sum(_PORT_EVENTS[event] for event in catches.events & _PORT_EVENTS.keys())
        return bool(wanted) and any(
            kinds & wanted and (not catches.ports or port in catches.ports) for port, kinds in self._touched_ports()
        )

    def _touched_ports(self) -> Iterator[tuple[int, int]]:
        for at in range(0, len(self.ports), _PORT):
            yield int.from_bytes(self.ports[at : at + 2], "little"), self.ports[at + 2]


class Aliases:
    """What the whole history says of linear pages, for accesses that are made through none.

    A linear watchpoint tells of such an access, of the CPU's own to its page tables or of a device's, where the address
    is mapped to what is accessed, and no part of the history names a mapping that it does not use. So only a page that
    was used, and never for memory that is accessed so, is taken to be no such alias.
    """

    def __init__(self, parts: Sequence[Touched], *, complete: bool) -> None:
        """`complete`: the parts are all of the history."""
        self._parts = parts if complete and not any(part.everything for part in parts) else ()
        self._found: dict[range, bool] = {}

    def may_be(self, pages: range) -> bool:
        """Whether these linear pages may be mapped to memory that is accessed through none."""
        if pages not in self._found:
            used = frozenset[int]().union(*(part.pages.of_linear(pages) for part in self._parts))
            self._found[pages] = not used or bool(used & self._beside)
        return self._found[pages]

    @cached_property
    def _beside(self) -> frozenset[int]:
        return frozenset[int]().union(*(part.pages.beside(READ | WRITE) for part in self._parts))


def _may_hit(rows: Rows, watchpoint: Watchpoint, aliases: Aliases) -> bool:
    kinds = sum(_KINDS[access] for access in watchpoint.accesses)
    pages = _page_range(watchpoint.address, watchpoint.size)
    if watchpoint.physical:
        beyond = min(pages.stop, NO_PHYSICAL_PAGE + 1)
        return rows.has_physical(range(min(pages.start, NO_PHYSICAL_PAGE), beyond), kinds)
    if rows.has_linear(pages, kinds):
        return True
    return bool(rows.beside(kinds)) and aliases.may_be(pages)


def _page_range(address: int, size: int) -> range:
    return range(address // PAGE_SIZE, (address + max(size, 1) - 1) // PAGE_SIZE + 1)


def _pages(addresses: tuple[int, ...]) -> Iterator[range]:
    for page in sorted({address // PAGE_SIZE for address in addresses}):
        yield range(page, page + 1)


def _bits(vectors: frozenset[int]) -> int:
    return sum(1 << vector for vector in vectors)


@lru_cache(maxsize=128)
def _unpacked(packed: bytes) -> Rows:
    try:
        size = zstandard.frame_content_size(packed)
        if not 0 <= size <= MOST_ROWS * _ROW or size % _ROW:
            raise RecordingError("part of the history index is damaged")
        columns = zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise RecordingError(f"part of the history index is damaged: {error}") from error
    count = size // _ROW
    steps, lines = array("Q", columns[: 8 * count]), array("Q", columns[8 * count : 16 * count])
    farther = array("I", columns[16 * count : 20 * count])
    linear = array("Q", (page & 0xFFFFFFFFFFFFFFFF for page in accumulate(steps)))
    physical = array("I", (page & 0xFFFFFFFF for page in accumulate(map(add, steps, farther))))
    return Rows(linear, lines, physical, columns[20 * count :])
