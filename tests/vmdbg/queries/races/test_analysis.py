"""Races in streams of events, held to their definition."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vmdbg.queries.races import model
from vmdbg.machine.snapshot import Position
from vmdbg.queries.races.analysis import Race, find_races, synchronizing_words
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Release, Renew, Switch
from vmdbg.units import Tick

CPUS = 3
ZERO = Position(Tick(0))
cpus = st.sampled_from((0, 0, 1, 1, 2))
flags = st.booleans()


@st.composite
def accesses(draw: st.DrawFn) -> Access:
    reads, writes = draw(st.sampled_from(((True, False), (False, True), (True, True))))
    locked = reads and writes and draw(flags)
    size = draw(st.sampled_from((4, 4, 8)))
    address = draw(st.sampled_from((0, 0, 0, 4, 12)))
    return Access(draw(cpus), ZERO, draw(st.integers(1, 2)), address, size, reads, writes, locked)


locks = st.sampled_from("ab")
owners = st.sampled_from((None, "p"))
kinds = st.one_of(
    accesses(),
    accesses(),
    accesses(),
    st.builds(Acquire, cpus, st.just(ZERO), locks, flags, owners),
    st.builds(Release, cpus, st.just(ZERO), locks, flags, owners),
    st.builds(Post, cpus, st.just(ZERO), st.sampled_from("xy"), flags),
    st.builds(Await, cpus, st.just(ZERO), st.sampled_from("xy")),
    st.builds(Switch, cpus, st.just(ZERO), st.sampled_from((None, "p", "q"))),
    st.builds(Renew, cpus, st.just(ZERO), st.sampled_from((0, 4)), st.sampled_from((4, 8, 16))),
)


def at_ticks(events: list[Event]) -> list[Event]:
    return [type(e)(e.cpu, Position(Tick(n)), *_rest(e)) for n, e in enumerate(events)]


def _rest(event: Event) -> list[object]:
    return [getattr(event, name) for name in event.__slots__[2:]]


def read(cpu: int, pc: int = 1, address: int = 0, size: int = 8) -> Access:
    return Access(cpu, ZERO, pc, address, size, reads=True, writes=False)


def write(cpu: int, pc: int = 2, address: int = 0, size: int = 8) -> Access:
    return Access(cpu, ZERO, pc, address, size, reads=False, writes=True)


def atomic(cpu: int, pc: int = 3, address: int = 64, size: int = 8) -> Access:
    return Access(cpu, ZERO, pc, address, size, reads=True, writes=True, locked=True)


def found(*events: Event) -> list[Race]:
    return list(find_races(at_ticks(list(events)), CPUS).races)


def acquire(cpu: int, lock: str = "a", *, shared: bool = False, owner: str | None = None) -> Acquire:
    return Acquire(cpu, ZERO, lock, shared, owner)


def release(cpu: int, lock: str = "a", *, shared: bool = False, owner: str | None = None) -> Release:
    return Release(cpu, ZERO, lock, shared, owner)


@settings(max_examples=400, deadline=None)
@given(st.lists(kinds, min_size=5, max_size=18))
@example([write(0), release(0), acquire(1), write(1)])
@example([write(0, address=4), Renew(1, ZERO, 0, 8), write(1, address=0, size=8)])
def test_races_are_those_of_the_definition(events: list[Event]) -> None:
    events = at_ticks(events)
    words = synchronizing_words(events)
    wanted, mixed = model.races(events, words)
    findings = find_races(events, CPUS)
    seen = {}
    for race in findings.races:
        a, b = race.first, race.second
        key = (a.cpu, a.pc, a.address, a.writes, b.cpu, b.pc, b.address, b.writes)
        assert key not in seen
        seen[key] = (a.position.tick, b.position.tick, race.unordered, race.times)
        assert race.first_locks == model.locks_at(events, a.position.tick)
        assert race.second_locks == model.locks_at(events, b.position.tick)
    assert seen == wanted
    assert len(findings.mixed) == len(mixed)
    with_mixed = find_races(events, CPUS, mixed=True)
    assert len(with_mixed.races) == len(wanted.keys() | mixed)
    assert with_mixed.mixed == ()


def test_a_counter_without_a_lock() -> None:
    races = found(read(0), write(0), read(1), write(1))
    assert [(r.first.pc, r.second.pc) for r in races] == [(2, 1), (1, 2), (2, 2)]
    assert all(r.unordered for r in races)


def test_a_lock_keeps_apart_and_another_does_not() -> None:
    assert not found(acquire(0), write(0), release(0), acquire(1), write(1), release(1))
    (race,) = found(acquire(0, "a"), write(0), release(0, "a"), acquire(1, "b"), write(1), release(1, "b"))
    assert (race.first_locks, race.second_locks, race.unordered) == ({("a", False)}, {("b", False)}, True)


def test_readers_share_a_lock_and_so_must_not_write() -> None:
    def with_lock(cpu: int, access: Access, *, shared: bool) -> list[Event]:
        return [acquire(cpu, shared=shared), access, release(cpu, shared=shared)]

    assert not found(*with_lock(0, write(0), shared=False), *with_lock(1, read(1), shared=True))
    assert found(*with_lock(0, write(0), shared=True), *with_lock(1, read(1), shared=True))


def test_an_order_of_locks_that_is_chance_is_said_to_be_there() -> None:
    (race,) = found(write(0), acquire(0), release(0), acquire(1), release(1), write(1))
    assert not race.unordered


def test_what_is_told_comes_before() -> None:
    assert not found(write(0), Post(0, ZERO, "ipi"), Await(1, ZERO, "ipi"), write(1))
    assert found(Post(0, ZERO, "ipi"), write(0), Await(1, ZERO, "ipi"), write(1))


def test_a_word_of_locked_accesses_puts_others_in_order() -> None:
    assert not found(write(0), atomic(0), atomic(1), write(1))
    assert not found(write(0), atomic(0), write(0, address=64), read(1, address=64), write(1)), "a flag that is read"


def test_a_task_takes_the_locks_along_that_it_sleeps_with() -> None:
    moved = [
        Switch(0, ZERO, "p"), acquire(0, owner="p"), Switch(0, ZERO, "q"), write(0, 9), Switch(1, ZERO, "p"), write(1),
    ]  # fmt: skip
    (race,) = found(*moved)
    assert (race.first_locks, race.second_locks) == (frozenset(), {("a", False)})


def test_a_lock_of_a_task_may_be_given_back_elsewhere() -> None:
    given_back = [Switch(0, ZERO, "p"), acquire(0, owner="p"), write(0), release(1, owner="p"), write(0, 9)]
    races = found(*given_back, acquire(1), write(1), release(1))
    assert [(race.first.pc, race.first_locks) for race in races] == [(9, frozenset())]


def test_a_lock_that_is_had_twice_is_had_until_it_is_given_back_twice() -> None:
    twice = [acquire(0), acquire(0), release(0), write(0), release(0), write(0, 9)]
    races = found(*twice, acquire(1), write(1), release(1))
    assert [race.first.pc for race in races] == [9]


def test_a_word_that_is_stored_anew_tells_of_who_stored_it_alone() -> None:
    told = [write(0), atomic(0), write(1, address=64), read(2, address=64)]
    assert [(race.first.cpu, race.second.cpu) for race in found(*told, write(2))] == [(0, 2)]


def test_memory_that_is_given_out_anew_has_no_past() -> None:
    assert not found(write(0), Renew(1, ZERO, 0, 16), write(1))
