"""Interrupts that code raises itself, on a machine whose guests count on them at once, and on others."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest

from tests.determinism.machines import digests_at, run_in_slices, run_to, running, several_machine, step_often
from tests.vmdbg.machine.guest_runs import text_of
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import TestExited

MARKS = (300, 12_000, 23_500, 46_000, 60_000)
PROMPT = ("pc-testdev",)


def prompt_machine(devices: tuple[str, ...] = PROMPT) -> Machine:
    return several_machine(Path(__file__).parent / "prompt.asm", 2, devices=devices)


@pytest.mark.parametrize(("devices", "seen"), [(PROMPT, "111111"), ((), "000000")])
def test_an_interrupt_comes_behind_the_instruction_that_raises_it(devices: tuple[str, ...], seen: str) -> None:
    with running(partial(prompt_machine, devices)) as machine:
        printed: list[bytes] = []
        machine.debug_console.listeners.append(lambda _port, data, _now: printed.append(data))
        run_to(machine, 10_000_000)
        assert machine.ending == TestExited(1)
    assert text_of(printed) == seen


def test_slices_and_steps_do_not_show() -> None:
    expected = digests_at(prompt_machine, MARKS)
    rng = random.Random(5)
    with running(prompt_machine) as machine:
        assert [run_in_slices(machine, tick, lambda: rng.choice((1, 5, 50, 1000))) for tick in MARKS] == expected
    with running(prompt_machine) as machine:
        assert [step_often(machine, tick, 200, 60, rng) for tick in MARKS] == expected
