"""Each kind of schedule gives one run, whatever is done to it; one that is written down, or changed by hand, too."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.machines import digests_at, run_in_slices, run_to, running, smp_machine, step_often
from tests.vmdbg.engine.in_pages import in_pages
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.inputs import RegisterWrite, ScheduleChange
from vmdbg.machine.machine import Machine
from vmdbg.machine.schedule_list import ListedTurns, file_text, parse_file
from vmdbg.machine.schedules import parse_schedule
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Tick

END = 250_000
"""After the end of smp.asm in all of these."""
MARKS = (30_000, 68_000, 75_000, 90_001, 120_000, END)
TURNS = "turns:" + " ".join(f"{n % 3}*{20 + 977 * n % 5000}" for n in range(80))
SCHEDULES = ["random:1,most=3k", "random:2", "pct:1,4,length=120k", "pct:9,2,length=100k,from=60k", TURNS]
CASES = [(2, SCHEDULES[0]), (4, SCHEDULES[0]), (4, SCHEDULES[1]), (4, SCHEDULES[2]), (2, SCHEDULES[3]), (3, TURNS)]
IDS = [f"{cpus}-{schedule[:20]}" for cpus, schedule in CASES]
Expected = Callable[[int, str], list[Digest]]
each = pytest.mark.parametrize(("cpus", "schedule"), CASES, ids=IDS)


@pytest.fixture(scope="module")
def expected() -> Expected:
    known: dict[tuple[int, str], list[Digest]] = {}

    def find(cpus: int, schedule: str) -> list[Digest]:
        if (cpus, schedule) not in known:
            known[cpus, schedule] = digests_at(partial(smp_machine, cpus, schedule=schedule), MARKS)
        return known[cpus, schedule]

    return find


@each
def test_slices_of_any_size_do_not_show(cpus: int, schedule: str, expected: Expected) -> None:
    rng = random.Random(cpus)
    with running(partial(smp_machine, cpus, schedule=schedule)) as machine:
        seen = [run_in_slices(machine, tick, lambda: rng.choice((1, 5, 50, 1000, 9000))) for tick in MARKS]
    assert seen == expected(cpus, schedule)
    assert seen[-1].ticks < END, "the guest has ended"


@each
def test_single_steps_do_not_show(cpus: int, schedule: str, expected: Expected) -> None:
    rng = random.Random(cpus)
    with running(partial(smp_machine, cpus, schedule=schedule)) as machine:
        assert [step_often(machine, tick, 300, 60, rng) for tick in MARKS] == expected(cpus, schedule)


@each
def test_a_run_goes_on_equally_in_another_machine(cpus: int, schedule: str, expected: Expected) -> None:
    make = partial(smp_machine, cpus, schedule=schedule)
    for start, mark in enumerate(MARKS[:4]):
        with running(make) as first, running(make) as second:
            run_to(first, mark)
            second.restore(first.save())
            second.engine.restore_pages(in_pages(first.engine.ram))
            assert [run_to(second, tick) for tick in MARKS[start:]] == expected(cpus, schedule)[start:]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), script=actions(st.integers(0x101B50, 0x101F00), 0, END // 8))
def test_no_debugger_script_shows(case: tuple[int, str], script: list[Action], expected: Expected) -> None:
    cpus, schedule = case
    with running(partial(smp_machine, cpus, schedule=schedule)) as machine:
        debugged_to(machine, END, script)
        assert digest(machine) == expected(cpus, schedule)[-1]


def seen_by_the_guest(machine: Machine) -> tuple[Tick, str, str]:
    found = digest(machine)
    return found.ticks, found.cpu, found.ram


@pytest.mark.parametrize("schedule", ["round-robin:700", *SCHEDULES[:3]])
def test_turns_that_a_run_has_written_give_that_run(schedule: str) -> None:
    with running(partial(smp_machine, 4, schedule=schedule)) as machine:
        quiet = [run_to(machine, tick) for tick in MARKS]
    with running(partial(smp_machine, 4, schedule=schedule)) as machine:
        machine.cpus.turns.note()
        assert [run_to(machine, tick) for tick in MARKS] == quiet, "to be noted shows"
        log = machine.cpus.turns.log
        assert log is not None
        turns, ended = log.turns(machine.clock), seen_by_the_guest(machine)
    assert len(turns) > 20
    written = parse_file(file_text(turns), "turns")
    assert written == ListedTurns(turns)
    with running(partial(smp_machine, 4, schedule=str(written))) as machine:
        run_to(machine, END)
        assert seen_by_the_guest(machine) == ended


def test_turns_are_noted_once_however_often_they_are_passed() -> None:
    timeline = Timeline(smp_machine(4, schedule="random:3"))
    turns = timeline.machine.cpus.turns
    turns.note()
    assert turns.log is not None
    timeline.run(Tick(110_000))
    end = timeline.end
    noted = turns.log.turns(end.tick)
    rng = random.Random(1)
    for _ in range(20):
        timeline.seek(Position(Tick(rng.randrange(end.tick))))
        timeline.run(Tick(timeline.position.tick + 10_000))
        assert turns.log.turns(end.tick) == noted
    timeline.seek(Position(Tick(50_000)))
    timeline.fork()
    timeline.push(RegisterWrite("r12", 3, CpuId(1)))
    timeline.run(end.tick)
    with running(partial(smp_machine, 4, schedule=str(ListedTurns(turns.log.turns(end.tick))))) as again:
        again.inputs.push(timeline.history.inputs[0].position.tick, RegisterWrite("r12", 3, CpuId(1)))
        run_to(again, end.tick)
        assert seen_by_the_guest(again) == seen_by_the_guest(timeline.machine)
    assert not turns.log.lost
    timeline.machine.close()


# changed by hand


@pytest.fixture
def debugger() -> Debugger:
    return Debugger(Timeline(smp_machine(4, schedule="round-robin:5000")))


@pytest.mark.parametrize("change", ["random:5", "pct:5,3,length=50k", "round-robin:100", TURNS])
def test_a_change_is_part_of_the_history(debugger: Debugger, change: str) -> None:
    timeline = debugger.timeline
    timeline.run(Tick(80_000))
    timeline.push(ScheduleChange(change))
    here = timeline.position
    timeline.run(Tick(100_000))
    changed, there = digest(debugger.machine), timeline.position
    for place in (timeline.start, here, there):
        timeline.seek(place)
    assert digest(debugger.machine) == changed
    timeline.seek(timeline.start)
    assert debugger.machine.cpus.turns.changed == ""
    timeline.run(there.tick)
    timeline.seek(there)
    assert digest(debugger.machine) == changed
    assert debugger.machine.cpus.turns.changed == str(parse_schedule(change))
    alone = smp_machine(4, schedule="round-robin:5000")
    assert run_to(alone, there.tick) != changed
    alone.close()
    debugger.close()


def test_one_cpu_alone_runs_while_the_others_stand(debugger: Debugger) -> None:
    timeline = debugger.timeline
    timeline.run(Tick(80_000))
    timeline.push(ScheduleChange("only:2"))
    before = [[cpu.read(name) for name in ("rip", "r12", "rcx")] for cpu in debugger.cpus]
    timeline.run(Tick(150_000))
    after = [[cpu.read(name) for name in ("rip", "r12", "rcx")] for cpu in debugger.cpus]
    assert [now != then for now, then in zip(after, before, strict=True)] == [False, False, True, False]
    timeline.push(ScheduleChange("round-robin"))
    timeline.run(Tick(END))
    assert debugger.machine.ending is not None
    debugger.close()


@pytest.mark.parametrize("change", ["only:4", "fair", "random:x"])
def test_what_is_no_schedule_is_refused_and_changes_nothing(debugger: Debugger, change: str) -> None:
    with pytest.raises(UserError):
        debugger.timeline.push(ScheduleChange(change))
    assert debugger.timeline.history.inputs == []
    debugger.close()
