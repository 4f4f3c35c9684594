"""Interleavings of streams of events: what is shown, and what is folded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.machine.snapshot import Position
from vmdbg.queries.races.dependence import Bond, dependences, shared_bytes
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Release, Switch
from vmdbg.queries.races.interleaving import MOST_MINOR, Interleaving, Link, Looking, interleaving
from vmdbg.units import Tick


def at(tick: int) -> Position:
    return Position(Tick(tick))


def access(cpu: int, tick: int, does: str, address: int = 0, pc: int = 1) -> Access:
    size = 4
    return Access(cpu, at(tick), pc, address, size, "r" in does, "w" in does, old=bytes(size), new=bytes(size))


def shown(events: list[Event], looking: Looking | None = None) -> Interleaving:
    return interleaving(events, looking or Looking())


def ticks(found: Interleaving) -> list[int]:
    return [step.event.position.tick for step in found.steps]


def test_what_no_other_cpu_could_tell_is_folded_and_counted() -> None:
    writes = [access(0, tick, "w") for tick in range(5)]
    found = shown([*writes, access(1, 10, "r"), access(1, 11, "r"), access(1, 12, "w", address=64)])
    assert ticks(found) == [4, 10]
    assert [step.folded for step in found.steps] == [4, 0]
    assert found.links == (Link(0, 1, Bond.READ),)
    assert (found.accesses, found.shared) == (8, 7)
    assert found.cpus == (0, 1)


def test_private_memory_is_nothing() -> None:
    found = shown([access(0, 1, "rw"), access(1, 2, "rw", address=8), access(2, 3, "r", address=16)])
    assert found.steps == ()
    assert (found.accesses, found.shared) == (3, 0)


def test_locks_are_shown_where_they_are_had_at_what_is_shown_or_handed_on() -> None:
    events = [
        Acquire(0, at(1), "idle"), Release(0, at(2), "idle"),
        Acquire(0, at(3), "data"), access(0, 4, "w"), Release(0, at(5), "data"),
        Acquire(1, at(6), "mine"), access(1, 7, "r"), Release(1, at(8), "mine"),
        Acquire(0, at(9), "queue"), Release(0, at(10), "queue"),
        Acquire(1, at(11), "queue"), Release(1, at(12), "queue"),
    ]  # fmt: skip
    assert ticks(shown(events)) == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    of_the_data = Looking(data=(range(4),))
    assert ticks(shown(events, of_the_data)) == [3, 4, 5, 6, 7, 8]


def test_a_sleeping_lock_goes_with_its_task() -> None:
    events = [
        Switch(0, at(1), "p"), Acquire(0, at(2), "m", owner="p"), Switch(0, at(3), "q"), access(0, 4, "w"),
        Switch(1, at(5), "p"), access(1, 6, "r"), Release(1, at(7), "m", owner="p"),
    ]  # fmt: skip
    found = shown(events)
    assert 2 in ticks(found)
    assert 7 in ticks(found)


def test_a_message_to_several_is_one_step() -> None:
    posts = [Post(0, at(1), ("interrupt", cpu, 0x40)) for cpu in (1, 2)]
    found = shown([*posts, Await(2, at(5), ("interrupt", 2, 0x40)), Await(1, at(9), ("interrupt", 1, 0x40))])
    assert ticks(found) == [1, 5, 9]
    assert found.steps[0].receivers == (1, 2)
    assert {(link.first, link.second) for link in found.links} == {(0, 1), (0, 2)}


def test_of_many_switches_in_a_row_the_last_are_shown() -> None:
    before = [Switch(0, at(tick), tick) for tick in range(20)]
    after = [Switch(0, at(tick), tick) for tick in range(40, 60)]
    found = shown([*before, access(0, 30, "w"), access(1, 31, "r"), *after])
    assert ticks(found) == [*range(20 - MOST_MINOR, 20), 30, 31, *range(40, 40 + MOST_MINOR)]
    assert found.steps[0].left_out == 20 - MOST_MINOR
    assert found.left_out == 20 - MOST_MINOR


def test_it_is_of_the_cpus_data_and_code_that_are_looked_at() -> None:
    events = [access(0, 1, "w"), access(1, 2, "r"), access(2, 3, "r"), access(0, 4, "w", 64), access(1, 5, "r", 64)]
    assert ticks(shown(events)) == [1, 2, 3, 4, 5]
    assert ticks(shown(events, Looking(cpus=frozenset({0, 2})))) == [1, 3]
    assert ticks(shown(events, Looking(data=(range(66, 67),)))) == [4, 5]
    assert ticks(shown([*events, access(0, 6, "w", 0, pc=9)], Looking(own_code=(range(9, 10),)))) == [1, 2, 3, 4, 5]


accesses = st.builds(
    lambda cpu, address, does: (cpu, address, does),
    st.integers(0, 2),
    st.sampled_from((0, 2, 8)),
    st.sampled_from("rw"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(accesses, max_size=20))
def test_every_access_that_another_depends_on_is_shown_and_no_other(drawn: list[tuple[int, int, str]]) -> None:
    events: list[Event] = [access(cpu, tick, does, address) for tick, (cpu, address, does) in enumerate(drawn)]
    bound = dependences(events, shared_bytes(events))
    found = shown(events)
    assert ticks(found) == sorted({index for one in bound for index in (one.first, one.second)})
    assert len(found.links) == len(bound)
    assert found.shared - len(found.steps) >= sum(step.folded for step in found.steps)
