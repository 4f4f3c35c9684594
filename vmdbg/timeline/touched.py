"""What a part of the history touched: which stops it cannot have."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from devices.disk.requests import DiskRequest
from vmdbg.engine.exits import Access, EventKind
from vmdbg.engine.stops import Catches, DeviceCatch, DiskCatch, Stops, Watchpoint
from vmdbg.engine.touches import EVENTS, FETCH, NO_LINEAR_PAGE, NO_PHYSICAL_PAGE, READ, WRITE, Touches
from vmdbg.errors import RecordingError
from vmdbg.timeline.touched_packing import NOTHING, pack, unpack, unpack_two
from vmdbg.units import PAGE_SIZE, Linear, Physical

MOST_UNPACKED = 64 << 20
"""Bytes of parts that are kept unpacked, as searches come by all of them."""
MOST_REQUESTS = 1 << 16
"""Of a part; of one that has more it is not known which."""
_REQUEST = 150
"""Bytes of memory of one, about."""
_ROW = 8 + 8 + 4 + 1
_LINE = PAGE_SIZE // 64
_WORD = _LINE // 8
_WRITTEN = 8 + 8
_FEW = 8
"""Pages that are looked for one by one."""
_PORT = 3
"""Bytes of a port in Touches.ports."""
MOST_PORT_BYTES = _PORT << 16
Mappings = frozenset[tuple[int, int]]
"""Linear pages and the physical ones that they were seen to be."""
MOST_MAPPED = 1 << 10
_KINDS = {Access.READ: READ, Access.WRITE: WRITE}
_PORT_EVENTS = {EventKind.PORT_READ: READ, EventKind.PORT_WRITE: WRITE}


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of memory from one address to another, and the ways in which they are touched that matter."""

    start: int
    stop: int
    kinds: int

    @property
    def pages(self) -> range:
        return range(self.start // PAGE_SIZE, (self.stop - 1) // PAGE_SIZE + 1)

    def lines(self, page: int) -> int:
        """A bit for each line of the page that it has some bytes of."""
        first = max(0, self.start - page * PAGE_SIZE) // _LINE
        last = (min(PAGE_SIZE, self.stop - page * PAGE_SIZE) - 1) // _LINE
        return (2 << last) - (1 << first)

    def words(self, line: int) -> int:
        """A bit for each eighth of a line, of which the number is counted from address 0 on."""
        first = max(0, self.start - line * _LINE) // _WORD
        last = (min(_LINE, self.stop - line * _LINE) - 1) // _WORD
        return (2 << last) - (1 << first)


@dataclass(frozen=True, slots=True)
class Rows:
    """Pages in columns, by linear page, ascending; the last have none, NO_LINEAR_PAGE."""

    linear: array[int]
    lines: array[int]
    physical: array[int]
    kinds: bytes
    written: array[int]
    words: array[int]

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.kinds) * (_ROW + _WRITTEN)

    def touches_linear(self, span: Span) -> bool:
        """Whether any of these linear addresses was touched so."""
        first, last = bisect_left(self.linear, span.pages.start), bisect_left(self.linear, span.pages.stop)
        return any(self._touches(row, self.linear[row], span) for row in range(first, last))

    def _touches(self, row: int, page: int, span: Span) -> bool:
        """Whether a row that is of that page for the span tells of such touching."""
        kinds = self.kinds[row] & span.kinds
        return bool(kinds & ~WRITE) or (bool(kinds) and self._wrote(row, page, span))

    def _wrote(self, row: int, page: int, span: Span) -> bool:
        written = self.written[row]
        left = written & span.lines(page)
        while left:
            lowest = left & -left
            rank = (written & (lowest - 1)).bit_count()
            line = page * (PAGE_SIZE // _LINE) + lowest.bit_length() - 1
            if rank >= _WORD or self.words[row] >> 8 * rank & span.words(line):
                return True
            left ^= lowest
        return False

    def has_code(self, address: int) -> bool:
        """Whether an instruction may have begun at this linear address, or close by."""
        page, bit = address // PAGE_SIZE, 1 << address % PAGE_SIZE // _LINE
        first, last = bisect_left(self.linear, page), bisect_right(self.linear, page)
        return any(lines & bit for lines in self.lines[first:last])

    def touches_physical(self, span: Span) -> bool:
        """Whether any of these physical addresses was touched so."""
        if span.stop > NO_PHYSICAL_PAGE * PAGE_SIZE and any(
            self.kinds[row] & span.kinds for row in self._of_physical(range(NO_PHYSICAL_PAGE, NO_PHYSICAL_PAGE + 1))
        ):
            return True
        return any(self._touches(row, self.physical[row], span) for row in self._of_physical(span.pages))

    def _of_physical(self, pages: range) -> Iterator[int]:
        """The rows of these physical pages."""
        if len(pages) > _FEW:
            yield from (row for row, page in enumerate(self.physical) if page in pages)
            return
        for page in pages:
            row = -1
            with suppress(ValueError):  # there are no more
                while True:
                    row = self.physical.index(page, row + 1)
                    yield row

    def of_linear(self, pages: range) -> frozenset[int]:
        """The physical pages that these were."""
        return frozenset(self.physical[bisect_left(self.linear, pages.start) : bisect_left(self.linear, pages.stop)])

    def beside(self, kinds: int) -> frozenset[int]:
        """The physical pages that were touched in these ways, and in no access of an instruction."""
        first = bisect_left(self.linear, NO_LINEAR_PAGE)
        pages = zip(self.physical[first:], self.kinds[first:], strict=True)
        return frozenset(page for page, kind in pages if kind & kinds)

    def touches_beside(self, span: Span) -> bool:
        """Whether an access that no instruction made touched so what may be at these linear addresses, too."""
        first = bisect_left(self.linear, NO_LINEAR_PAGE)
        if len(span.pages) > 1:
            return any(kind & span.kinds for kind in self.kinds[first:])
        return any(self._touches(row, span.pages.start, span) for row in range(first, len(self.kinds)))


@dataclass(frozen=True, slots=True)
class Touched:
    """What engine.touches.Touches says. `columns` is packed by touched_packing; without it, in recordings of earlier
    builds, `rows` and `written` are what unpack_two() takes.
    """

    rows: bytes = b""
    ports: bytes = b""
    exceptions: int = 0
    interrupts: int = 0
    events: frozenset[EventKind] = frozenset()
    everything: bool = False
    stopped: bool = False
    """It ended a run by itself, as by executing where there is no memory."""
    written: bytes = b""
    requests: tuple[DiskRequest, ...] | None = None
    """Those to drives that were done. None: that is not known."""
    columns: bytes = b""

    @classmethod
    def of(cls, touches: Touches, *, stopped: bool = False, requests: tuple[DiskRequest, ...] | None = None) -> Touched:
        return cls(
            ports=touches.ports,
            exceptions=touches.exceptions,
            interrupts=touches.interrupts,
            events=touches.events,
            everything=touches.everything,
            stopped=stopped,
            requests=requests if requests is None or len(requests) <= MOST_REQUESTS else None,
            columns=NOTHING if touches.everything else pack(touches),
        )

    @property
    def pages(self) -> Rows:
        """Raises RecordingError if it is damaged."""
        return _CACHE.rows(self)

    def check(self, *, whole: bool = False) -> None:
        """`whole`: its columns are known to be. Raises RecordingError if it is damaged."""
        if len(self.ports) % _PORT:
            raise RecordingError("part of the history index is damaged: its ports are none")
        if not whole:
            _ = self.pages

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return (
            len(self.columns)
            + len(self.rows)
            + len(self.written)
            + len(self.ports)
            + 300
            + _REQUEST * len(self.requests or ())
        )

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
        if any(rows.touches_physical(Span(address, address + 1, FETCH)) for address in breakpoints.physical):
            return True
        return any(_may_hit(rows, watchpoint, aliases) for watchpoint in watchpoints)

    def _may_catch(self, catches: Catches) -> bool:
        if any(self._may_do(catch) for catch in catches.devices):
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

    def _may_do(self, catch: DeviceCatch) -> bool:
        """Of what devices do, requests to drives alone are known."""
        return self.requests is None or not isinstance(catch, DiskCatch) or any(map(_is_of(catch), self.requests))

    def done_by(self, stops: Stops) -> int | None:
        """The last tick at which one of `stops` may be met; None: that is not known. Requests to drives have a time."""
        catches = stops.catches.devices
        if self.everything or self.stopped or stops != Stops(catches=Catches(devices=catches)):
            return None
        if self.requests is None or not all(isinstance(one, DiskCatch) for one in catches):
            return None
        wanted = [_is_of(one) for one in catches if isinstance(one, DiskCatch)]
        return max((one.completed for one in self.requests if any(is_of(one) for is_of in wanted)), default=None)

    def leads_to(self, catch: DiskCatch, until: int) -> bool:
        """Whether one of its requests was submitted so soon behind the tick `until` that the time before it matters."""
        if self.requests is None:
            return True
        is_of = _is_of(catch)
        return any(one.submitted - catch.lead < until and is_of(one) for one in self.requests)

    def _touched_ports(self) -> Iterator[tuple[int, int]]:
        for at in range(0, len(self.ports), _PORT):
            yield int.from_bytes(self.ports[at : at + 2], "little"), self.ports[at + 2]


def _is_of(catch: DiskCatch) -> Callable[[DiskRequest], bool]:
    return lambda one: catch.is_of(one.unit, one.operation, one.sector, one.count)


def mappings(translate: Callable[[Linear], Physical | None], address: int, size: int) -> Mappings:
    """What `translate` says of the pages of a linear range, of the first MOST_MAPPED."""
    pages = islice(Span(address, address + max(size, 1), 0).pages, MOST_MAPPED)
    found = ((page, translate(Linear(page * PAGE_SIZE % (1 << 64)))) for page in pages)
    return frozenset((page, physical // PAGE_SIZE) for page, physical in found if physical is not None)


class Aliases:
    """What the whole history says of linear pages, for accesses that are made through none.

    A linear watchpoint tells of such an access, of the CPU's own to its page tables or of a device's, where the address
    is mapped to what is accessed, and no part of the history names a mapping that it does not use. So only a page that
    was used, and never for memory that is accessed so, is taken to be no such alias; nor is one that was seen to be
    mapped to such memory where somebody asked about it.
    """

    def __init__(self, parts: Sequence[Touched], *, complete: bool, mapped: Mappings = frozenset()) -> None:
        """`complete`: the parts are all of the history."""
        self._parts = parts if complete and not any(part.everything for part in parts) else ()
        self._mapped = mapped
        self._found: dict[range, bool] = {}

    def may_be(self, pages: range) -> bool:
        """Whether these linear pages may be mapped to memory that is accessed through none."""
        if pages not in self._found:
            used = frozenset[int]().union(*(part.pages.of_linear(pages) for part in self._parts))
            mapped = {physical for linear, physical in self._mapped if linear in pages}
            self._found[pages] = not used or bool((used | mapped) & self._beside)
        return self._found[pages]

    @cached_property
    def _beside(self) -> frozenset[int]:
        return frozenset[int]().union(*(part.pages.beside(READ | WRITE) for part in self._parts))


def _may_hit(rows: Rows, watchpoint: Watchpoint, aliases: Aliases) -> bool:
    kinds = sum(_KINDS[access] for access in watchpoint.accesses)
    span = Span(watchpoint.address, watchpoint.address + max(watchpoint.size, 1), kinds)
    if watchpoint.physical:
        return rows.touches_physical(span)
    if rows.touches_linear(span):
        return True
    return rows.touches_beside(span) and aliases.may_be(span.pages)


def _bits(vectors: frozenset[int]) -> int:
    return sum(1 << vector for vector in vectors)


class _Cache:
    """What was unpacked last, as much of it as fits."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[bytes, bytes, bytes], Rows] = OrderedDict()
        self._size = 0

    def rows(self, touched: Touched) -> Rows:
        """Raises RecordingError if they are damaged."""
        key = touched.columns, touched.rows, touched.written
        found = self._found.get(key)
        if found is None:
            columns = unpack(touched.columns) if touched.columns else unpack_two(touched.rows, touched.written)
            found = self._found[key] = Rows(*columns)
            self._size += found.size
            while self._size > MOST_UNPACKED and len(self._found) > 1:
                self._size -= self._found.popitem(last=False)[1].size
        return found


_CACHE = _Cache()
