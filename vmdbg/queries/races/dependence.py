"""Which events of different CPUs must stay in the order in which they came: pure, and by the definition.

Of two accesses to a byte, one of them a write, with no write to it between, the second depends on the first: it read
what that wrote, or overwrote what that read or wrote. So does an event that was awaited on what was posted last, and
who takes a lock on who gave it back last. Whatever does not depend on another may change places with it.

Of a CPU's several reads of what another wrote the first one depends on that, and a write depends on the last one of
each CPU: the others follow, since what one CPU does is in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum

from vmdbg.queries.races.analysis import granules
from vmdbg.queries.races.events import Access, Acquire, Await, Channel, Event, Lock, Post, Release


class Bond(Enum):
    """Why the second of two events depends on the first."""

    READ = "reads what was written"
    OVERWRITES = "overwrites what was written"
    AFTER_READ = "overwrites what was read"
    MESSAGE = "was told"
    LOCK = "has the lock next"


@dataclass(frozen=True, slots=True)
class Dependence:
    """Indices of two events of different CPUs, the earlier first."""

    first: int
    second: int
    bond: Bond


def shared_bytes(events: Iterable[Event]) -> frozenset[int]:
    """The physical addresses of bytes that several CPUs touch and at least one writes."""
    touched: defaultdict[int, set[int]] = defaultdict(set)
    written: set[int] = set()
    for event in events:
        if isinstance(event, Access):
            for granule in granules(event.address, event.size):
                touched[granule].add(event.cpu)
                if event.writes:
                    written.add(granule)
    candidates = {granule for granule in written if len(touched[granule]) > 1}
    return _exactly(events, candidates)


def _exactly(events: Iterable[Event], candidates: Set[int]) -> frozenset[int]:
    """The same by bytes, of granules of which it may be so."""
    touched: defaultdict[int, set[int]] = defaultdict(set)
    written: set[int] = set()
    for event in events:
        if isinstance(event, Access) and not candidates.isdisjoint(granules(event.address, event.size)):
            for address in range(event.address, event.address + event.size):
                touched[address].add(event.cpu)
                if event.writes:
                    written.add(address)
    return frozenset(address for address in written if len(touched[address]) > 1)


@dataclass(slots=True)
class _Byte:
    """`readers`: of each CPU the last read since the last write."""

    writer: int | None = None
    readers: dict[int, int] = field(default_factory=dict)


def dependences(events: Sequence[Event], shared: Set[int]) -> list[Dependence]:
    """All of them, by the second event. `shared` are the bytes that are looked at."""
    seen = _Seen(events, shared)
    for index, event in enumerate(events):
        match event:
            case Access():
                seen.access(index, event)
            case Acquire():
                seen.acquire(index, event)
            case Release():
                seen.released[event.lock] = index
            case Post():
                seen.posted[event.channel] = index
            case Await():
                seen.await_(index, event)
            case _:
                pass
    return sorted(seen.found, key=lambda one: (one.second, one.first, one.bond.value))


class _Seen:
    def __init__(self, events: Sequence[Event], shared: Set[int]) -> None:
        self._events = events
        self._shared = shared
        self._bytes: defaultdict[int, _Byte] = defaultdict(_Byte)
        self.posted: dict[Channel, int] = {}
        self.released: dict[Lock, int] = {}
        self.found: set[Dependence] = set()

    def _note(self, first: int | None, second: int, bond: Bond) -> None:
        if first is not None and self._events[first].cpu != self._events[second].cpu:
            self.found.add(Dependence(first, second, bond))

    def access(self, index: int, access: Access) -> None:
        for address in range(access.address, access.address + access.size):
            if address in self._shared:
                self._touch(index, access, self._bytes[address])

    def _touch(self, index: int, access: Access, byte: _Byte) -> None:
        if access.reads:
            if access.cpu not in byte.readers:
                self._note(byte.writer, index, Bond.READ)
            byte.readers[access.cpu] = index
        if access.writes:
            for reader in byte.readers.values():
                self._note(reader, index, Bond.AFTER_READ)
            if not byte.readers:
                self._note(byte.writer, index, Bond.OVERWRITES)
            byte.writer, byte.readers = index, {}

    def acquire(self, index: int, event: Acquire) -> None:
        """Who shares a lock with others waits for none of them; it is enough to look at the last that gave it back."""
        self._note(self.released.get(event.lock), index, Bond.LOCK)

    def await_(self, index: int, event: Await) -> None:
        self._note(self.posted.get(event.channel), index, Bond.MESSAGE)
