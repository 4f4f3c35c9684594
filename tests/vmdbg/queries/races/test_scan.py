"""Races between the CPUs of a guest that has some, and counts that are protected in every way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.determinism.machines import smp_machine
from vmdbg.engine.stops import Stops
from vmdbg.machine.digest import digest
from vmdbg.queries.parallel import scan_here
from vmdbg.queries.races.analysis import find_races
from vmdbg.queries.races.events import Access, Acquire, Await, Event, Post, Release
from vmdbg.queries.races.lock_words import held_from_the_start, with_inferred_locks
from vmdbg.queries.races.scan import EventQuery, Place
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 4 << 20
CPUS = 3
COUNTERS = 0x210000
RACY, LOCKED, GUARDED, LOCK_WORD = (COUNTERS + offset for offset in (0, 0x40, 0x80, 0xC0))
CODE = COUNTERS + 0x1001
"""A byte of code that CPUs change without asking."""


@pytest.fixture(scope="module")
def timeline() -> Iterator[Timeline]:
    """smp.asm, run to its end."""
    machine = smp_machine(CPUS)
    made = Timeline(machine)
    made.run(Tick(10_000_000))
    yield made
    machine.close()


@pytest.fixture(scope="module")
def events(timeline: Timeline) -> list[Event]:
    return scan_here(timeline, EventQuery((Place(0, MEMORY, physical=True),)), timeline.start, timeline.end)


def test_the_counter_without_a_lock_is_found_and_those_with_are_not(events: list[Event]) -> None:
    listed = with_inferred_locks(events)
    findings = find_races([*held_from_the_start(listed), *listed], CPUS)
    assert {race.first.linear for race in findings.races} == {RACY, CODE}
    racy = [race for race in findings.races if race.first.linear == RACY]
    assert {(race.first.cpu, race.second.cpu) for race in racy} >= {(0, 1), (1, 0), (1, 2), (2, 0)}
    assert all(not race.first_locks & race.second_locks for race in racy)
    assert findings.mixed == ()


def test_a_lock_that_nobody_names_is_found_by_what_is_done_to_it(events: list[Event]) -> None:
    listed = with_inferred_locks(events)
    used = [event for event in listed if isinstance(event, Acquire | Release)]
    assert {event.lock for event in used} == {("word", LOCK_WORD)}
    assert [isinstance(event, Acquire) for event in used] == [True, False] * (len(used) // 2)
    assert len(used) == 2 * 100 * CPUS
    assert not any(isinstance(event, Access) and event.address == LOCK_WORD for event in listed)
    assert any(isinstance(event, Access) and event.address == LOCKED and event.locked for event in listed)


def test_accesses_are_what_was_and_is_there(events: list[Event], timeline: Timeline) -> None:
    counts = {}
    for event in events:
        if isinstance(event, Access) and event.writes and event.address in (RACY, LOCKED, GUARDED) and event.size == 4:
            assert counts.get(event.address, bytes(4)) == event.old
            counts[event.address] = event.new
            assert (event.address == LOCKED) is (event.reads and event.locked)
    final = {address: timeline.machine.engine.read_physical(address, 4) for address in counts}  # type: ignore[arg-type]
    assert counts == final
    assert int.from_bytes(counts[LOCKED], "little") == int.from_bytes(counts[GUARDED], "little") == 100 * CPUS


def test_interrupts_between_cpus_are_told_before_they_come(events: list[Event]) -> None:
    messages = [event for event in events if isinstance(event, Post | Await) and event.channel[0] == "interrupt"]  # type: ignore[index]
    sent = {event.channel for event in messages if isinstance(event, Post)}
    came = {event.channel for event in messages if isinstance(event, Await)}
    assert {("interrupt", cpu, 0x40) for cpu in range(CPUS)} == sent
    assert sent < came, "timers come unasked"
    starts = [event for event in events if isinstance(event, Post) and event.channel[0] == "start"]  # type: ignore[index]
    assert [event.channel for event in starts] == [("start", 1), ("start", 2)]


def test_looking_for_races_leaves_no_trace(timeline: Timeline) -> None:
    machine, position, before = timeline.machine, timeline.position, digest(timeline.machine)
    told = list(machine.pc.apic_bus.on_sent)
    scan_here(timeline, EventQuery((Place(COUNTERS, 64),)), timeline.start, timeline.end)
    assert (timeline.position, digest(machine), machine.engine.stops) == (position, before, Stops())
    assert machine.bus.on_interrupt is None
    assert machine.pc.apic_bus.on_sent == told
