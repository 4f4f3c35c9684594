"""The theorem on several CPUs: whatever is debugged, stepped, sliced or looked at, all of them come to the same states.

And whoever does the work of turns, timers and interrupts, the engine or the devices.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.interrupt_scripts import WithoutHelp
from tests.determinism.machines import (
    digests_at,
    linux_machine,
    run_in_slices,
    run_to,
    running,
    smp_machine,
    step_often,
)
from tests.vmdbg.engine.in_pages import in_pages
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.schedule import RoundRobin, ScheduleState
from vmdbg.units import CpuId

END = 400_000
"""After the end of smp.asm in all of these."""
MARKS = (30_000, 68_000, 75_000, 90_001, 110_000, END)
DEBUGGED = 4
"""The mark up to which scripts go: the guest runs yet."""
CASES = [
    (2, "round-robin"),
    (2, "round-robin:300"),
    (4, "round-robin"),
    (4, "round-robin:1"),
    (4, "round-robin:5000"),
    (2, "random:7"),
    (4, "random:8"),
    (4, "pct:3"),
    (2, "pct:5,4"),
]
Expected = Callable[[int, str], list[Digest]]


class TurnsInPython(UnicornEngine):
    """Each turn ends the run, and round robin is the schedule's own."""

    _round_robin = RoundRobin()

    def set_round_robin(self, quantum: int) -> None:
        self._round_robin = RoundRobin(quantum)
        super().set_round_robin(0)

    def next_turn(self) -> bool:
        runnable = [CpuId(number) for number, cpu in enumerate(self.cpus) if cpu.can_run]
        if not runnable:
            return False
        turn, _ = self._round_robin.next_turn(ScheduleState(), self.turn.cpu, runnable, self.clock)
        self.begin_turn(turn.cpu, turn.quantum, exact=turn.exact)
        return True


@pytest.fixture(scope="module")
def expected() -> Expected:
    known: dict[tuple[int, str], list[Digest]] = {}

    def find(cpus: int, schedule: str) -> list[Digest]:
        if (cpus, schedule) not in known:
            known[cpus, schedule] = digests_at(partial(smp_machine, cpus, schedule=schedule), MARKS)
        return known[cpus, schedule]

    return find


def _guest_ended(seen: Sequence[Digest]) -> bool:
    return seen[-1].ticks < END


@pytest.mark.parametrize(("cpus", "schedule"), CASES)
def test_two_runs_are_equal_and_another_schedule_gives_another(cpus: int, schedule: str, expected: Expected) -> None:
    seen = digests_at(partial(smp_machine, cpus, schedule=schedule), MARKS)
    assert _guest_ended(seen)
    assert seen == expected(cpus, schedule)
    assert seen[-1] != expected(cpus, "round-robin:777")[-1]


@pytest.mark.parametrize("make_engine", [WithoutHelp, TurnsInPython])
@pytest.mark.parametrize(("cpus", "schedule"), CASES)
def test_who_does_the_work_does_not_show(
    cpus: int, schedule: str, make_engine: type[UnicornEngine], expected: Expected
) -> None:
    make = partial(smp_machine, cpus, schedule=schedule, make_engine=make_engine)
    assert digests_at(make, MARKS) == expected(cpus, schedule)


@pytest.mark.parametrize(("cpus", "schedule"), CASES)
def test_slices_of_any_size_do_not_show(cpus: int, schedule: str, expected: Expected) -> None:
    rng = random.Random(cpus)
    with running(partial(smp_machine, cpus, schedule=schedule)) as machine:
        seen = [run_in_slices(machine, tick, lambda: rng.choice((1, 5, 50, 1000, 9000))) for tick in MARKS]
    assert seen == expected(cpus, schedule)


@pytest.mark.parametrize(("cpus", "schedule"), CASES)
def test_single_steps_do_not_show(cpus: int, schedule: str, expected: Expected) -> None:
    rng = random.Random(cpus)
    with running(partial(smp_machine, cpus, schedule=schedule)) as machine:
        assert [step_often(machine, tick, 200, 60, rng) for tick in MARKS] == expected(cpus, schedule)
        assert machine.engine.statistics().single_steps > 3000


@pytest.mark.parametrize(("cpus", "schedule"), CASES)
def test_a_run_goes_on_equally_in_another_machine(cpus: int, schedule: str, expected: Expected) -> None:
    make = partial(smp_machine, cpus, schedule=schedule)
    for start, mark in enumerate(MARKS[:4]):
        with running(make) as first, running(make) as second:
            run_to(first, mark)
            assert first.ending is None
            second.restore(first.save())
            second.engine.restore_pages(in_pages(first.engine.ram))
            assert [run_to(second, tick) for tick in MARKS[start:]] == expected(cpus, schedule)[start:]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=st.sampled_from(CASES), script=actions(st.integers(0x101B50, 0x101F00), 0, 30_000))
def test_no_debugger_script_shows(case: tuple[int, str], script: list[Action], expected: Expected) -> None:
    cpus, schedule = case
    with running(partial(smp_machine, cpus, schedule=schedule)) as machine:
        debugged_to(machine, MARKS[DEBUGGED], script)
        assert digest(machine) == expected(cpus, schedule)[DEBUGGED]


LINUX_MARKS = (536_000_000, 552_000_000)
"""Around the start of the other CPUs."""


def _linux(cpus: int) -> Callable[[], Machine]:
    return partial(linux_machine, cpus)


@pytest.mark.parametrize("cpus", [2, 4])
def test_slices_and_steps_do_not_show_where_linux_starts_its_cpus(cpus: int) -> None:
    rng = random.Random(cpus)
    with running(_linux(cpus)) as machine:
        run_to(machine, LINUX_MARKS[0])
        state, memory = machine.save(), bytes(machine.engine.ram)
        undisturbed = run_to(machine, LINUX_MARKS[1])
        assert all(not cpu.waits_for_sipi for cpu in machine.engine.cpus)
        for disturbed in (
            lambda: run_in_slices(machine, LINUX_MARKS[1], lambda: rng.randrange(1, 30_000)),
            lambda: step_often(machine, LINUX_MARKS[1], 100_000, 60, rng),
        ):
            machine.engine.restore_pages(in_pages(memory))
            machine.restore(state)
            assert disturbed() == undisturbed
