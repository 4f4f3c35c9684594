"""The races of a part of the history: its events gathered, put in order and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vmdbg.machine.snapshot import Position
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.races.analysis import Race, find_races, granules, synchronizing_words
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Switch
from vmdbg.queries.races.linux_rules import usable
from vmdbg.queries.races.lock_words import held_from_the_start, with_inferred_locks


@dataclass(frozen=True, slots=True)
class RaceReport:
    """`mixed`: races left out because locked accesses touch the same words. `order`: what puts accesses in order or
    keeps them apart, and how often it was seen. `families`: which functions of Linux were looked at; `missing`: which
    could not be, and why. `between`: the time that was looked at, where that is less than was asked for.
    `busy`: address and size of data of the function that is accessed too often to be looked at without being named.
    """

    races: tuple[Race, ...]
    mixed: int
    accesses: int
    order: tuple[tuple[str, int], ...]
    families: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    between: tuple[Position, Position] | None = None
    busy: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Judging:
    """What is wanted of the events. `data`: races of these physical addresses, none: of all. `synchronizing`: more
    words by which CPUs are in step. `function`: races of which one side at least is an instruction there.
    """

    data: tuple[range, ...] = ()
    synchronizing: tuple[range, ...] = ()
    function: range | None = None
    mixed: bool = False


def race_report(events: Sequence[Event], cpus: int, known: KnownLinux | None, judging: Judging) -> RaceReport:
    listed = with_inferred_locks(events)
    words = synchronizing_words(listed) | {g for one in judging.synchronizing for g in granules(one.start, len(one))}
    findings = find_races([*held_from_the_start(listed), *listed], cpus, words, mixed=judging.mixed)
    return RaceReport(
        tuple(race for race in findings.races if _is_wanted(race.first, race.second, judging)),
        sum(_is_wanted(first, second, judging) for first, second in findings.mixed),
        sum(isinstance(event, Access) for event in events),
        _order(listed),
        *looked_at(known),
    )


def looked_at(known: KnownLinux | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which functions of Linux are, and which cannot be, and why."""
    families, missing = usable(known.functions) if known is not None else ([], [])
    return (
        tuple(family.name for family in families),
        tuple(f"{one.name}: this kernel has no function {_first_missing(one.needed, known)}" for one in missing),
    )


def _is_wanted(first: Access, second: Access, judging: Judging) -> bool:
    """Whether the two meet at bytes that are, and one of them is of the function."""
    function, data = judging.function, judging.data
    if function is not None and first.pc not in function and second.pc not in function:
        return False
    start = max(first.address, second.address)
    end = min(first.address + first.size, second.address + second.size)
    return not data or any(one.start < end and start < one.stop for one in data)


def _first_missing(needed: Iterable[str], known: KnownLinux | None) -> str:
    return next(name for name in needed if known is None or name not in known.functions)


def _order(events: Iterable[Event]) -> tuple[tuple[str, int], ...]:
    counts: Counter[str] = Counter()
    for event in events:
        match event:
            case Acquire(lock=("word", _)):
                counts["words that are taken by a locked access and given back"] += 1
            case Acquire():
                counts["locks of Linux"] += 1
            case Post(channel=("interrupt", _, _)):
                counts["interrupts between CPUs"] += 1
            case Post(channel=("start", _)):
                counts["starts of CPUs"] += 1
            case Switch():
                counts["switches of tasks"] += 1
            case Await(channel=("task", _)):
                counts["wake-ups, completions and queued work"] += 1
            case Access(locked=True):
                counts["locked accesses"] += 1
            case _:
                pass
    return tuple(counts.most_common())
