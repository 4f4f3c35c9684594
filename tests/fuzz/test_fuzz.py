"""Each target stands a part of what `make fuzz` does to it."""

from __future__ import annotations

import pytest

from tests.fuzz.rounds import fuzz
from tests.fuzz.targets import TARGETS

STEPS = 100_000
QUICK = {"dap": 300, "dap-session": 8_000}
"""Targets that are attacked in every run of the tests, and with how many steps."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_it_stands_many_steps(name: str) -> None:
    assert fuzz(TARGETS[name], STEPS).steps >= STEPS


@pytest.mark.parametrize("name", QUICK)
def test_it_stands_some_steps(name: str) -> None:
    assert fuzz(TARGETS[name], QUICK[name]).steps >= QUICK[name]


def test_steps_are_counted_until_there_are_enough() -> None:
    asked: list[tuple[int, int]] = []

    def attack(seed: int, steps: int) -> int:
        asked.append((seed, steps))
        return 7

    tally = fuzz(attack, 20, first_seed=3, length=10)
    assert (tally.steps, tally.rounds) == (21, 3)
    assert asked == [(3, 10), (4, 10), (5, 10)]
