"""Guests that do anything to any device: nothing breaks, hangs or grows, and it is the same whoever looks.

`make fuzz STEPS=1e6` does a million steps to each.
"""

from __future__ import annotations

import random

import pytest

from tests.determinism.hostile_attacks import SLEEP, TARGETS, Slices, attack, attacked, prepared
from tests.determinism.hostile_scripts import hostile_machine, reaches
from tests.determinism.interrupt_scripts import WithoutHelp
from tests.determinism.machines import running
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import EngineFactory

CHOSEN = ("ahci", "fw-cfg", "hpet", "ide", "ioapic", "lapic", "net0", "nvme-disk3", "pic", "pit", "rtc", "virtio-disk2")


def test_every_device_that_a_guest_can_reach_is_attacked() -> None:
    with running(hostile_machine) as machine:
        assert set(reaches(machine)) == set(TARGETS)


def digests(target: str, seed: int, steps: int, make_engine: EngineFactory, slices: Slices) -> tuple[int, Digest]:
    with running(lambda: prepared(target, seed, steps, make_engine)) as machine:
        return attacked(machine, steps, slices), digest(machine)


def same_whoever_looks(target: str, seed: int, steps: int) -> None:
    """In one go and in slices, and whether the engine or the devices do what both can."""
    chance = random.Random(seed)
    expected = digests(target, seed, steps, UnicornEngine, lambda: SLEEP)
    assert digests(target, seed, steps, UnicornEngine, lambda: chance.choice((1, 90, 700, 9000))) == expected
    assert digests(target, seed, steps, WithoutHelp, lambda: SLEEP) == expected


@pytest.mark.parametrize("target", TARGETS)
def test_anything_at_any_time(target: str) -> None:
    assert attack(target, 0, 400) >= (1 if target == "test-exit" else 10)


@pytest.mark.parametrize("target", CHOSEN)
def test_it_is_the_same_whoever_looks(target: str) -> None:
    same_whoever_looks(target, 0, 300)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_are_the_same_whoever_looks(target: str) -> None:
    for seed in range(1, 6):
        same_whoever_looks(target, seed, 2000)
