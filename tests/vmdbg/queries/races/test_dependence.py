"""What must stay in order, held to its definition: all pairs of accesses that conflict, and what one CPU does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.machine.snapshot import Position
from vmdbg.queries.races.dependence import Bond, Dependence, dependences, shared_bytes
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Release
from vmdbg.units import Tick

ZERO = Position(Tick(0))
cpus = st.integers(0, 2)


def access(cpu: int, address: int, size: int, does: str) -> Access:
    return Access(cpu, ZERO, 1, address, size, "r" in does, "w" in does)


accesses = st.builds(access, cpus, st.integers(0, 9), st.sampled_from((1, 2, 4, 8)), st.sampled_from(("r", "w", "rw")))


def bytes_of(event: Access) -> set[int]:
    return set(range(event.address, event.address + event.size))


def conflict(a: Event, b: Event) -> bool:
    assert isinstance(a, Access)
    assert isinstance(b, Access)
    return bool(bytes_of(a) & bytes_of(b)) and (a.writes or b.writes)


def closure(number: int, pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """For each event those that come before it."""
    direct: list[set[int]] = [set() for _ in range(number)]
    for first, second in pairs:
        direct[second].add(first)
    before: list[set[int]] = []
    for index in range(number):
        before.append(direct[index].union(*(before[earlier] for earlier in direct[index])))
    return before


def ordered(events: Sequence[Event], pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    of_one_cpu = [(i, j) for j, b in enumerate(events) for i, a in enumerate(events[:j]) if a.cpu == b.cpu]
    return closure(len(events), [*of_one_cpu, *pairs])


@settings(max_examples=300, deadline=None)
@given(st.lists(accesses, max_size=14))
def test_the_order_that_is_told_is_the_one_of_all_conflicts(events: list[Event]) -> None:
    found = dependences(events, shared_bytes(events))
    assert all(events[one.first].cpu != events[one.second].cpu and one.first < one.second for one in found)
    assert all(conflict(events[one.first], events[one.second]) for one in found)
    all_conflicts = [(i, j) for j, b in enumerate(events) for i, a in enumerate(events[:j]) if conflict(a, b)]
    assert ordered(events, [(one.first, one.second) for one in found]) == ordered(events, all_conflicts)


@settings(max_examples=300, deadline=None)
@given(st.lists(accesses, max_size=10))
def test_shared_are_bytes_of_several_cpus_of_which_one_writes(events: list[Event]) -> None:
    listed = [event for event in events if isinstance(event, Access)]
    everything = {address for event in listed for address in bytes_of(event)}
    expected = {
        address
        for address in everything
        if len({one.cpu for one in listed if address in bytes_of(one)}) > 1
        and any(one.writes for one in listed if address in bytes_of(one))
    }
    assert shared_bytes(events) == expected


def test_only_the_first_look_and_the_last_before_a_write_are_told() -> None:
    write, again = access(0, 0, 4, "w"), access(0, 0, 4, "w")
    reads = [access(1, 0, 4, "r")] * 5
    found = dependences([write, *reads, again], shared_bytes([write, *reads]))
    assert found == [Dependence(0, 1, Bond.READ), Dependence(5, 6, Bond.AFTER_READ)]


def test_messages_and_locks_are_handed_on_between_cpus() -> None:
    events = [
        Acquire(0, ZERO, "l"), Release(0, ZERO, "l"), Post(0, ZERO, "ipi"), Await(1, ZERO, "ipi"),
        Acquire(1, ZERO, "l"), Release(1, ZERO, "l"), Acquire(1, ZERO, "l"), Await(0, ZERO, "other"),
    ]  # fmt: skip
    assert dependences(events, frozenset()) == [Dependence(2, 3, Bond.MESSAGE), Dependence(1, 4, Bond.LOCK)]
