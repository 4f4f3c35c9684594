"""Races by their definition: all pairs, and order as the transitive closure of what each step says."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.queries.races.analysis import GRANULE
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Release, Renew, Switch

Key = tuple[object, ...]


def edges(events: Sequence[Event], words: frozenset[int], *, with_locks: bool) -> list[set[int]]:
    """For each event those before it that it comes after by one step."""
    before: list[set[int]] = [set() for _ in events]
    for late, b in enumerate(events):
        for early in range(late):
            a = events[early]
            if a.cpu == b.cpu or (with_locks and is_handed_over(a, b)) or is_told(events, early, late, words):
                before[late].add(early)
    return before


def is_handed_over(a: Event, b: Event) -> bool:
    return isinstance(a, Release) and isinstance(b, Acquire) and a.lock == b.lock


def words_of(event: Event, words: frozenset[int]) -> set[int]:
    if not isinstance(event, Access):
        return set()
    return {byte - byte % GRANULE for byte in range(event.address, event.address + event.size)} & words


def is_told(events: Sequence[Event], early: int, late: int, words: frozenset[int]) -> bool:
    a, b = events[early], events[late]
    between = events[early + 1 : late]
    if isinstance(a, Post) and isinstance(b, Await) and a.channel == b.channel:
        return not any(isinstance(e, Post) and e.fresh and e.channel == a.channel for e in between)
    if isinstance(a, Access) and isinstance(b, Access) and a.writes and b.reads:
        for word in words_of(a, words) & words_of(b, words):
            stored_anew = (
                isinstance(e, Access) and e.writes and not e.reads and word in words_of(e, words) for e in between
            )
            if not any(stored_anew):
                return True
    return False


def closed(before: list[set[int]]) -> list[set[int]]:
    known: list[set[int]] = []
    for steps in before:
        known.append(steps.union(*(known[step] for step in steps)) if steps else set())
    return known


def locks_at(events: Sequence[Event], index: int) -> set[tuple[object, bool]]:
    """Those of the CPU, and of the task that it runs."""
    cpu, runs = events[index].cpu, None
    counts: dict[tuple[object, object, bool], int] = {}
    for event in events[:index]:
        if isinstance(event, Switch) and event.cpu == cpu:
            runs = event.owner
        if isinstance(event, Acquire | Release):
            key = (("cpu", event.cpu) if event.owner is None else ("task", event.owner), event.lock, event.shared)
            counts[key] = max(0, counts.get(key, 0) + (1 if isinstance(event, Acquire) else -1))
    holders = {("cpu", cpu), ("task", runs)}
    return {(lock, shared) for (holder, lock, shared), count in counts.items() if count and holder in holders}


def forgotten(events: Sequence[Event], index: int, other: int) -> set[int]:
    """Bytes of the access at `index` that nobody remembers at `other`."""
    access = events[index]
    assert isinstance(access, Access)
    gone: set[int] = set()
    for event in events[index + 1 : other]:
        if isinstance(event, Renew):
            start, end = event.address, event.address + event.size
            if start <= access.address and access.address + access.size <= end:
                gone |= set(range(start, end))
    return gone


def races(events: Sequence[Event], words: frozenset[int]) -> tuple[dict[Key, tuple[int, int, bool, int]], set[Key]]:
    """For each pair of alike accesses (first, second, unordered, times), and those that are mixed."""
    weak, strong = (closed(edges(events, words, with_locks=locks)) for locks in (False, True))
    found: dict[Key, list[tuple[int, int, bool]]] = {}
    mixed: set[Key] = set()
    for late, b in enumerate(events):
        for early in range(late):
            a = events[early]
            if not isinstance(a, Access) or not isinstance(b, Access):
                continue
            shared = set(range(a.address, a.address + a.size)) & set(range(b.address, b.address + b.size))
            shared -= forgotten(events, early, late)
            mine, theirs = locks_at(events, early), locks_at(events, late)
            apart = any(one == two and not (s and t) for one, s in mine for two, t in theirs)
            if not shared or a.cpu == b.cpu or not (a.writes or b.writes) or (a.locked and b.locked):
                continue
            if early in weak[late] or apart:
                continue
            key = (a.cpu, a.pc, a.address, a.writes, b.cpu, b.pc, b.address, b.writes)
            overlap = {byte - byte % GRANULE for byte in shared}
            if overlap & words:
                mixed.add(key)
            if overlap - words:
                found.setdefault(key, []).append((early, late, early not in strong[late]))
    return {key: summary(pairs) for key, pairs in found.items()}, mixed


def summary(pairs: list[tuple[int, int, bool]]) -> tuple[int, int, bool, int]:
    unordered = any(pair[2] for pair in pairs)
    chosen = [pair for pair in pairs if pair[2] == unordered]
    second = min(late for _, late, _ in chosen)
    first = max(early for early, late, _ in chosen if late == second)
    return first, second, unordered, len({late for _, late, _ in pairs})
