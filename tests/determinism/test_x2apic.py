"""x2APIC mode: what the CPUs see of it, and that stepping, slicing and another machine do not show."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.determinism.machines import digests_at, run_in_slices, run_to, running, several_machine, step_often
from tests.vmdbg.machine.guest_runs import text_of
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import TestExited

MARKS = (22_000, 45_000, 70_000, 120_000, 400_000)


def x2apic_machine(cpus: int, schedule: str = "round-robin") -> Machine:
    return several_machine(Path(__file__).parent / "x2apic.asm", cpus, schedule=schedule)


@pytest.mark.parametrize("schedule", ["round-robin", "round-robin:100", "random:1", "pct:1,3,length=100k"])
@pytest.mark.parametrize("cpus", [2, 4])
def test_messages_arrive_and_what_is_reserved_faults(cpus: int, schedule: str) -> None:
    with running(partial(x2apic_machine, cpus, schedule)) as machine:
        printed: list[bytes] = []
        machine.debug_console.listeners.append(lambda _port, data, _now: printed.append(data))
        run_to(machine, 50_000_000)
        assert machine.ending == TestExited(1)
    first, *others = text_of(printed).removeprefix("faults 09 id 00 ").split()
    assert first == "00+1"
    messages = [int(one.split("+")[0], 16) for one in others]
    assert sorted(messages) == [3] * (cpus - 2) + [4]


@pytest.mark.parametrize("cpus", [2, 4])
@pytest.mark.parametrize("schedule", ["round-robin:300", "random:7,most=2k"])
def test_slices_and_steps_do_not_show(cpus: int, schedule: str) -> None:
    make: Callable[[], Machine] = partial(x2apic_machine, cpus, schedule)
    expected = digests_at(make, MARKS)
    rng = random.Random(cpus)
    with running(make) as machine:
        assert [run_in_slices(machine, tick, lambda: rng.choice((1, 5, 50, 1000))) for tick in MARKS] == expected
    with running(make) as machine:
        assert [step_often(machine, tick, 200, 60, rng) for tick in MARKS] == expected
