"""Races of guests at random, on several CPUs, held to a naive model of what a step-by-step trace shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import assemble
from tests.vmdbg.queries.races import naive
from tests.vmdbg.queries.races.random_programs import DATA, LOCKS, addresses, random_program, source
from vmdbg.api import Guest
from vmdbg.machine.snapshot import Position
from vmdbg.queries.queries import Queries
from vmdbg.queries.races.events import Access
from vmdbg.queries.races.gathering import Wanted
from vmdbg.queries.races.report import RaceReport
from vmdbg.queries.races.scan import Place
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick
from vmdbg.x86.instruction import MAX_LENGTH

EVERYTHING = range(1 << 32)
SCHEDULES = ("random:{seed},most=2k", "pct:{seed},5,length=20000", "round-robin:200", "random:{seed},most=300")


@dataclass(frozen=True, slots=True)
class Ran:
    timeline: Timeline
    done: list[naive.Done]
    cpus: int


def ran(guest: Guest, seed: int, cpus: int) -> Ran:
    program = random_program(seed, cpus)
    timeline = guest.session.debugger.timeline
    done = naive.trace(timeline, addresses(program, assemble(source(program))))
    return Ran(timeline, done, cpus)


SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 16))]


@pytest.fixture(scope="module", params=SEEDS)
def run(request: pytest.FixtureRequest) -> Iterator[Ran]:
    seed = request.param
    cpus = 2 + seed % 3
    image = assemble(source(random_program(seed, cpus)))
    schedule = SCHEDULES[seed % len(SCHEDULES)].format(seed=seed)
    with vmdbg.launch(image, cpus=cpus, schedule=schedule, memory="4M") as guest:
        yield ran(guest, seed, cpus)


def found(report: RaceReport) -> dict[naive.Key, naive.Expected]:
    listed = {}
    for race in report.races:
        a, b = race.first, race.second
        key = (a.cpu, a.pc, a.address, a.writes, b.cpu, b.pc, b.address, b.writes)
        assert key not in listed
        locks = [frozenset(lock[1] for lock, _ in held) for held in (race.first_locks, race.second_locks)]  # type: ignore[index]
        listed[key] = naive.Expected(a.position.tick, b.position.tick, race.unordered, race.times, *locks)
    return listed


def check(run: Ran, wanted: Wanted, data: range) -> int:
    report = Queries(run.timeline).races(wanted)
    races, mixed = naive.races(run.done, data, mixed=wanted.mixed)
    assert found(report) == races
    assert report.mixed == (0 if wanted.mixed else len(mixed))
    return len(races)


def test_races_at_some_data_are_those_of_the_trace(run: Ran) -> None:
    assert check(run, Wanted((Place(DATA, 0x2000),)), range(DATA, DATA + 0x2000))
    assert check(run, Wanted((Place(DATA, 0x2000),), mixed=True), range(DATA, DATA + 0x2000))
    for data in (range(DATA, DATA + 8), range(DATA + 0xFFC, DATA + 0x1008)):
        check(run, Wanted((Place(data.start, len(data)),)), data)


def test_races_of_everything_are_those_of_the_trace(run: Ran) -> None:
    start = Position(Tick(run.done[0].tick - MAX_LENGTH))
    assert check(run, Wanted(between=(start, run.timeline.end)), EVERYTHING)


def test_an_interleaving_has_the_accesses_that_depend_on_each_other(run: Ran) -> None:
    whole = range(DATA, DATA + 0x2000)
    for data in (whole, range(DATA, DATA + 8), range(DATA + 0xFFC, DATA + 0x1008)):
        found = Queries(run.timeline).interleaving(Wanted((Place(data.start, len(data)),)))
        accesses = [step.event for step in found.steps if isinstance(step.event, Access)]
        seen = {(one.cpu, one.pc, one.position.tick, one.address) for one in accesses}
        assert {one for one in seen if one[2] >= run.done[0].tick} == naive.steps(run.done, whole, data)


def test_locks_are_found_wherever_they_are(run: Ran) -> None:
    report = Queries(run.timeline).races(Wanted((Place(DATA, 0x2000),)))
    locks = {lock for one in found(report).values() for lock in one.first_locks | one.second_locks}
    assert locks <= set(LOCKS)


def test_a_run_by_a_written_schedule_has_the_same_races(tmp_path: Path) -> None:
    """Turns of its own choosing, as a file has them."""
    file = tmp_path / "turns"
    file.write_text("".join(f"{turn % 2} {20 + turn * 37 % 200}\n" for turn in range(3000)))
    image = assemble(source(random_program(3, 2)))
    with vmdbg.launch(image, cpus=2, schedule=f"file:{file}", memory="4M") as guest:
        assert check(ran(guest, 3, 2), Wanted((Place(DATA, 0x2000),)), range(DATA, DATA + 0x2000))
