"""Locks that nobody names: words that are taken from 0 by a locked access and put back to 0 by the CPU that took them.

A word to which more is done than that is no lock of this kind, but a ticket, a counter, a flag that another CPU clears;
and so is one that nobody is seen to put back, as a flag that is set once or a count of those who have come. Those words
keep their accesses, by which CPUs are in step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vmdbg.queries.races.analysis import granules
from vmdbg.queries.races.events import Access, Acquire, Event, Release


@dataclass(slots=True, eq=False)
class _Word:
    """The bytes from `address` on. `holder` is the CPU that has it; `uses` are what takes and gives it, by index."""

    address: int
    value: bytes
    holder: int | None = None
    is_lock: bool = True
    taken: int = 0
    given: int = 0
    uses: dict[int, Event] = field(default_factory=dict)

    def access(self, index: int, access: Access) -> None:
        before, after = self.value, _overlaid(self.value, access.address - self.address, access.new)
        if not access.writes or before == after:
            return
        self.value = after
        if not any(before):
            if not access.locked or self.holder is not None:
                self.is_lock = False
            self.holder = access.cpu
            self.taken += 1
            self.uses[index] = Acquire(access.cpu, access.position, ("word", self.address))
        elif not any(after) and self.holder in (None, access.cpu):
            self.holder = None
            self.given += 1
            self.uses[index] = Release(access.cpu, access.position, ("word", self.address))
        else:
            self.is_lock = False


def _overlaid(value: bytes, at: int, new: bytes) -> bytes:
    """`new` may begin before, and end behind."""
    start, end = max(at, 0), min(at + len(new), len(value))
    return value[:start] + new[start - at : end - at] + value[end:] if start < end else value


class _Words:
    """By the granules that they are in."""

    def __init__(self, words: Iterable[_Word]) -> None:
        self._by_granule: defaultdict[int, list[_Word]] = defaultdict(list)
        for word in words:
            for granule in granules(word.address, len(word.value)):
                self._by_granule[granule].append(word)

    def touched(self, access: Access) -> list[_Word]:
        found: list[_Word] = []
        for granule in granules(access.address, access.size):
            for word in self._by_granule.get(granule, ()):
                first, end = access.address, access.address + access.size
                if word.address < end and first < word.address + len(word.value) and word not in found:
                    found.append(word)
        return found


def with_inferred_locks(events: Sequence[Event]) -> list[Event]:
    """The same, with what takes and gives back such a word instead of all accesses to it."""
    words = _words(events)
    known = _Words(words)
    for index, event in enumerate(events):
        if isinstance(event, Access):
            for word in known.touched(event):
                word.access(index, event)
    locks = _Words(word for word in words if word.is_lock and word.taken and word.given)
    found: list[Event] = []
    for index, event in enumerate(events):
        touched = locks.touched(event) if isinstance(event, Access) else []
        if not touched:
            found.append(event)
        found += [word.uses[index] for word in touched if index in word.uses]
    return found


def _words(events: Sequence[Event]) -> list[_Word]:
    """Those that locked accesses begin at, as wide as the first of them, with what was there at first."""
    words: dict[int, _Word] = {}
    for event in events:
        if isinstance(event, Access) and event.locked and event.address not in words and event.old:
            words[event.address] = _Word(event.address, event.old)
    known, begun = _Words(words.values()), set[int]()
    for event in events:
        if isinstance(event, Access):
            for word in known.touched(event):
                if word.address not in begun:
                    begun.add(word.address)
                    word.value = _overlaid(word.value, event.address - word.address, event.old)
    return list(words.values())


def held_from_the_start(events: Iterable[Event]) -> list[Acquire]:
    """Locks that were had before the first of the events: those that are given back and were not taken before that."""
    counts: dict[tuple[object, object, bool], int] = {}
    found = []
    for event in events:
        if isinstance(event, Acquire | Release):
            owner = ("cpu", event.cpu) if event.owner is None else ("task", event.owner)
            key = owner, event.lock, event.shared
            if isinstance(event, Acquire):
                counts[key] = counts.get(key, 0) + 1
            elif counts.get(key, 0):
                counts[key] -= 1
            else:
                found.append(Acquire(event.cpu, event.position, event.lock, event.shared, event.owner))
    return found
