"""What several CPUs did that bears on each other, in order, and the rest folded: pure.

Steps are the accesses to shared bytes, messages and uses of locks that another CPU's depend on or that depend on
another CPU's, besides interrupts and switches of tasks. Whatever else a CPU did could have come before or after what
the others did, and nobody could tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import assert_never

from vmdbg.queries.races.dependence import Bond, Dependence, dependences, shared_bytes
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Lock, Owner, Post, Release, Renew, Switch
from vmdbg.queries.races.lock_words import with_inferred_locks

MOST_MINOR = 8
"""Interrupts, messages and switches in a row, with no access between, that are shown."""
INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Step:
    """What a CPU did. Before it, it did `folded` accesses to shared bytes that no other CPU could tell from none.

    `receivers`: of a message between CPUs, who gets it. `left_out`: interrupts, messages and switches of all CPUs that
    came before it and are not shown.
    """

    event: Event
    folded: int = 0
    receivers: tuple[int, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """The step of index `second` depends on that of index `first`, of another CPU."""

    first: int
    second: int
    bond: Bond


@dataclass(frozen=True, slots=True)
class Interleaving:
    """`left_out`: minor steps at the end that are not shown. `accesses` were looked at; `shared` of them were to bytes
    that several CPUs touch and one writes. `families` are the functions of Linux that were looked at for locks and
    messages; `missing` those that could not be."""

    steps: tuple[Step, ...] = ()
    links: tuple[Link, ...] = ()
    left_out: int = 0
    accesses: int = 0
    shared: int = 0
    families: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def cpus(self) -> tuple[int, ...]:
        return tuple(sorted({step.event.cpu for step in self.steps}))


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked at: `data` of physical memory, all without any; `cpus`, all without any. `own_code`: what locks
    and messages are made of, whose accesses say no more than these do."""

    data: tuple[range, ...] = ()
    cpus: frozenset[int] = frozenset()
    own_code: tuple[range, ...] = ()


def interleaving(events: Iterable[Event], looking: Looking) -> Interleaving:
    outside = tuple(event for event in events if not _is_own(event, looking.own_code))
    listed = [event for event in with_inferred_locks(outside) if _counts(event, looking)]
    shared = _wanted(shared_bytes(listed), looking.data)
    touching = frozenset(i for i, event in enumerate(listed) if _touches(event, shared))
    found = dependences(listed, shared)
    kept = _kept(listed, found, bool(looking.data))
    steps, places, left_out = _steps(listed, kept, touching)
    links = [Link(places[d.first], places[d.second], d.bond) for d in found if d.first in places and d.second in places]
    accesses = sum(isinstance(event, Access) for event in listed)
    return Interleaving(tuple(steps), tuple(dict.fromkeys(links)), left_out, accesses, len(touching))


def _wanted(shared: Set[int], data: Sequence[range]) -> Set[int]:
    """An access to some data may go on beyond it, where it is of no concern."""
    return frozenset(byte for byte in shared if any(byte in one for one in data)) if data else shared


def _counts(event: Event, looking: Looking) -> bool:
    if looking.cpus and event.cpu not in looking.cpus:
        return False
    if not isinstance(event, Access):
        return True
    start, end = event.address, event.address + event.size
    return not looking.data or any(one.start < end and start < one.stop for one in looking.data)


def _is_own(event: Event, code: Sequence[range]) -> bool:
    return isinstance(event, Access) and any(event.pc in one for one in code)


def _touches(event: Event, shared: Set[int]) -> bool:
    return isinstance(event, Access) and any(a in shared for a in range(event.address, event.address + event.size))


def _kept(events: Sequence[Event], found: Iterable[Dependence], only_data: bool) -> set[int]:
    """Of some data alone, locks count as far as they are had at accesses to it."""
    kept = {index for one in found if one.bond is not Bond.LOCK for index in (one.first, one.second)}
    for index, event in enumerate(events):
        match event:
            case Switch() | Await(channel=("interrupt", _, _)) | Post(channel=("interrupt", _, _)):
                kept.add(index)
            case _:
                pass
    handed_on = {index for one in found if one.bond is Bond.LOCK for index in (one.first, one.second)}
    return kept | _uses_of_locks(events, kept, set() if only_data else handed_on)


@dataclass(slots=True)
class _Held:
    index: int
    is_kept: bool


def _uses_of_locks(events: Sequence[Event], kept: Set[int], handed_on: Set[int]) -> set[int]:
    """Where locks are taken and given back that are had at an access that is kept, or handed from CPU to CPU."""
    held: dict[tuple[Owner, Lock], _Held] = {}
    owners: dict[int, Owner] = {}
    found: set[int] = set()
    for index, event in enumerate(events):
        match event:
            case Switch():
                owners[event.cpu] = event.owner
            case Acquire():
                held[_whose(event), event.lock] = _Held(index, index in handed_on)
            case Release():
                use = held.pop((_whose(event), event.lock), None)
                if use is not None and (use.is_kept or index in handed_on):
                    found |= {use.index, index}
                elif index in handed_on:
                    found.add(index)
            case Access() if index in kept:
                mine = (("cpu", event.cpu), ("task", owners.get(event.cpu)))
                for (owner, _), use in held.items():
                    use.is_kept |= owner in mine
            case _:
                pass
    return found | {use.index for use in held.values() if use.is_kept}


def _whose(event: Acquire | Release) -> Owner:
    return ("cpu", event.cpu) if event.owner is None else ("task", event.owner)


def _steps(events: Sequence[Event], kept: Set[int], touching: Set[int]) -> tuple[list[Step], dict[int, int], int]:
    """The steps, which of them each event that is kept became, and how many minor ones at the end are left out."""
    steps: list[Step] = []
    places: dict[int, int] = {}
    folded: Counter[int] = Counter()
    left_out = _left_out(events, sorted(kept))
    skipped = 0
    for index, event in enumerate(events):
        if index not in kept:
            folded[event.cpu] += index in touching
            continue
        if index in left_out:
            skipped += 1
            continue
        if steps and _is_same_message(steps[-1].event, event):
            last = steps[-1]
            steps[-1] = Step(last.event, last.folded, (*last.receivers, *_receiver(event)), last.left_out)
        else:
            steps.append(Step(event, folded.pop(event.cpu, 0), _receiver(event), skipped))
            skipped = 0
        places[index] = len(steps) - 1
    return steps, places, skipped


def _left_out(events: Sequence[Event], kept: Iterable[int]) -> set[int]:
    """Of many minor steps in a row all but the last."""
    row: list[int] = []
    found: set[int] = set()
    for index in kept:
        if _is_minor(events[index]):
            row.append(index)
        else:
            found.update(row[:-MOST_MINOR])
            row = []
    found.update(row[MOST_MINOR:])
    return found


def _is_minor(event: Event) -> bool:
    match event:
        case Access() | Acquire() | Release() | Renew():
            return False
        case Post() | Await() | Switch():
            return True
        case _:
            assert_never(event)


def _is_same_message(last: Event, event: Event) -> bool:
    """One that goes to several CPUs at once."""
    if not (isinstance(last, Post) and isinstance(event, Post)):
        return False
    if (last.cpu, last.position) != (event.cpu, event.position):
        return False
    return _vector(last) is not None and _vector(last) == _vector(event)


def _receiver(event: Event) -> tuple[int, ...]:
    match event:
        case Post(channel=("interrupt" | "start", int(cpu), *_)):
            return (cpu,)
        case _:
            return ()


def _vector(event: Post) -> int | None:
    match event.channel:
        case ("interrupt", _, int(vector)):
            return vector
        case _:
            return None
