"""Races in a stream of events: pure, and the same whatever saw the events.

Two accesses to a byte by different CPUs are a race if one of them writes, not both are locked, no lock keeps them
apart, and no chain of posts orders them. What one CPU does is in order. Locks keep accesses apart and order none: that
one CPU had a lock before another did is chance, and another schedule has it otherwise. So of each race it is said
besides whether even this run, with the chance order of its locks, left the two unordered.

Of accesses that are alike in all that is asked of them but the time, the last of each CPU is remembered: what another
CPU does and is not ordered after an earlier one is not ordered after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import assert_never

from vmdbg.queries.races.clocks import Clocks
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Release, Renew, Switch
from vmdbg.queries.races.locksets import Held, LockSets, protect

GRANULE = 8
"""Bytes that are looked at together."""


@dataclass(frozen=True, slots=True)
class Race:
    """`first` came before `second` in this run. `times` that an access raced like this with one before it.

    `unordered`: nothing at all orders them in this run; else the order in which locks were had does, by chance.
    """

    first: Access
    second: Access
    first_locks: Held
    second_locks: Held
    unordered: bool
    times: int


@dataclass(frozen=True, slots=True)
class Findings:
    """`races`, the first to happen first. `mixed`: the accesses of those that were left out because they are of words
    that locked accesses touch, too: `atomic_read()` and `atomic_inc()`, or how a lock is given back."""

    races: tuple[Race, ...]
    mixed: tuple[tuple[Access, Access], ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """An access in the past: `weak` and `strong` are its epochs without and with the order of locks."""

    index: int
    access: Access
    locks: Held
    weak: int
    strong: int

    @property
    def likeness(self) -> tuple[object, ...]:
        a = self.access
        return a.cpu, a.pc, a.address, a.size, a.reads, a.writes, a.locked, self.locks


@dataclass(slots=True)
class _Found:
    """The pair that stands for all that are alike: the first that nothing orders, else the first; and of the accesses
    that its second one raced with, the last. `counted` is the last second one."""

    first: _Seen
    second: _Seen
    unordered: bool
    counted: int
    times: int = 1

    def race(self) -> Race:
        return Race(
            self.first.access, self.second.access, self.first.locks, self.second.locks, self.unordered, self.times
        )


Pair = tuple[object, ...]


def find_races(
    events: Iterable[Event], cpus: int, synchronizing: Set[int] | None = None, *, mixed: bool = False
) -> Findings:
    """`synchronizing` are the granules by which CPUs are in step: no data, and what is stored there tells who reads it
    what came before. None: those that locked accesses touch. `mixed`: races of these are wanted too."""
    listed = list(events)
    words = synchronizing_words(listed) if synchronizing is None else synchronizing
    detector = _Detector(cpus, words, mixed)
    for index, event in enumerate(listed):
        detector.take(index, event)
    return detector.findings()


def synchronizing_words(events: Iterable[Event]) -> frozenset[int]:
    """The granules that locked accesses touch."""
    return frozenset(g for e in events if isinstance(e, Access) and e.locked for g in granules(e.address, e.size))


def granules(address: int, size: int) -> range:
    """The addresses of those that these bytes are in."""
    return range(address - address % GRANULE, address + size, GRANULE)


class _Detector:
    def __init__(self, cpus: int, synchronizing: Set[int], mixed: bool) -> None:
        self._synchronizing = synchronizing
        self._wants_mixed = mixed
        self._weak, self._strong = Clocks(cpus), Clocks(cpus)
        self._locks = LockSets(cpus)
        self._seen: defaultdict[int, dict[tuple[object, ...], _Seen]] = defaultdict(dict)
        self._found: dict[Pair, _Found] = {}
        self._mixed: dict[Pair, tuple[Access, Access]] = {}

    def findings(self) -> Findings:
        found = sorted(self._found.values(), key=lambda one: (one.second.index, one.first.index))
        return Findings(tuple(one.race() for one in found), tuple(self._mixed.values()))

    def take(self, index: int, event: Event) -> None:
        match event:
            case Access():
                self._access(index, event)
            case Acquire():
                self._strong.await_(event.cpu, ("lock", event.lock))
                self._locks.acquire(event)
            case Release():
                self._locks.release(event)
                self._strong.post(event.cpu, ("lock", event.lock))
            case Post():
                for clocks in (self._weak, self._strong):
                    clocks.post(event.cpu, event.channel, fresh=event.fresh)
            case Await():
                for clocks in (self._weak, self._strong):
                    clocks.await_(event.cpu, event.channel)
            case Switch():
                self._locks.switch(event.cpu, event.owner)
            case Renew():
                self._renew(event)
            case _:
                assert_never(event)

    def _access(self, index: int, access: Access) -> None:
        cpu = access.cpu
        words = [word for word in granules(access.address, access.size) if word in self._synchronizing]
        if access.reads:
            self._tell(Await(cpu, access.position, ("word", word)) for word in words)
        seen = _Seen(index, access, self._locks.held(cpu), self._weak.epoch(cpu), self._strong.epoch(cpu))
        for granule in granules(access.address, access.size):
            for other in self._seen[granule].values():
                if self._races_with(other, seen):
                    self._note(other, seen, granule in self._synchronizing)
            self._seen[granule][seen.likeness] = seen
        if access.writes:
            self._tell(Post(cpu, access.position, ("word", word), not access.reads) for word in words)

    def _tell(self, events: Iterator[Post] | Iterator[Await]) -> None:
        for event in events:
            self.take(-1, event)

    def _races_with(self, other: _Seen, seen: _Seen) -> bool:
        a, b = other.access, seen.access
        return (
            a.cpu != b.cpu
            and (a.writes or b.writes)
            and not (a.locked and b.locked)
            and a.address < b.address + b.size
            and b.address < a.address + a.size
            and not self._weak.knows(b.cpu, a.cpu, other.weak)
            and not protect(other.locks, seen.locks)
        )

    def _note(self, other: _Seen, seen: _Seen, synchronizes: bool) -> None:
        a, b = other.access, seen.access
        pair = (a.cpu, a.pc, a.address, a.writes, b.cpu, b.pc, b.address, b.writes)
        if synchronizes and not self._wants_mixed:
            self._mixed.setdefault(pair, (a, b))
            return
        unordered = not self._strong.knows(b.cpu, a.cpu, other.strong)
        known = self._found.get(pair)
        if known is None:
            self._found[pair] = _Found(other, seen, unordered, seen.index)
            return
        known.times += known.counted != seen.index
        known.counted = seen.index
        later = known.second.index == seen.index and known.first.index < other.index
        if unordered > known.unordered or (unordered == known.unordered and later):
            known.first, known.second, known.unordered = other, seen, unordered

    def _renew(self, event: Renew) -> None:
        for granule in granules(event.address, event.size):
            remembered = self._seen.get(granule)
            if remembered is not None:
                end = event.address + event.size
                self._seen[granule] = {
                    key: seen
                    for key, seen in remembered.items()
                    if seen.access.address < event.address or seen.access.address + seen.access.size > end
                }
