"""Guests that do anything to any device: nothing breaks, hangs or grows, and it is the same whoever looks.

`make test-all` does a million steps to each device.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from devices.board.acpi_pm import PowerButton
from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.keyboard.keys import KeyInput
from devices.serial.feed import SerialInput
from devices.virtio.console import ConsoleInput
from tests.determinism.hostile_scripts import CURSOR, SCRIPT, Attacker, homes, hostile_machine, reaches
from tests.determinism.interrupt_scripts import WithoutHelp
from tests.determinism.machines import running
from vmdbg.engine.exits import Stuck, VoidFetch
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.inputs import NmiButton
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.outcome import HaltedForever
from vmdbg.units import Tick

TARGETS = (
    "ahci", "apm", "com1", "com2", "com3", "com4", "debugcon", "dma-page", "dma1", "dma2", "fdc", "flash", "fw-cfg",
    "host-bridge", "hpet", "i8042", "ide", "ioapic", "isa-bridge", "lapic", "nvme-disk3", "pci", "pic", "pit", "port61",
    "port92", "power-management", "rtc", "seabios-debugcon", "test-exit", "vga", "virtio-console", "virtio-disk2",
    "virtio-rng",
)  # fmt: skip
CHOSEN = ("ahci", "fw-cfg", "ide", "ioapic", "lapic", "nvme-disk3", "pic", "pit", "rtc", "virtio-disk2")
LOOKS = 2
"""For each step: enough for any script that comes on at all."""
SLICE, SLEEP, LONG_SLEEP = 20_000, 200_000, 300_000_000
"""Ticks between two looks; after which a CPU that sleeps is woken, and after which where a floppy drive is at work."""
LONGEST = 5.0
"""Seconds of CPU that so many may take: they are some thousand accesses at most."""
MILLION, STEPS = 1_000_000, 20_000
GROWTH = 200 << 20
"""Bytes by which a million steps may have this process grow: machines are made anew meanwhile, and let go of."""


Slices = Callable[[], int]
"""Ticks that a run may take at most before it is gone on with."""


class OverError(Exception):
    """The guest can do no more: it has ended, the CPU is stuck, or nothing wakes it."""


def go_on(machine: Machine, tick: int, slices: Slices) -> None:
    """To `tick`. A CPU that nothing would wake is woken by an NMI. Raises OverError."""
    while machine.clock < tick:
        outcome = machine.run(Tick(min(tick, machine.clock + slices())))
        if isinstance(outcome, HaltedForever):
            machine.push(NmiButton())
        elif machine.ending is not None or isinstance(outcome, Stuck | VoidFetch):
            raise OverError


def sleep(machine: Machine, slices: Slices) -> None:
    """Until something wakes the CPU, or an NMI has to. Raises OverError."""
    works = any(event.owner == "fdc" for event in machine.scheduler.events())
    end = machine.clock + (LONG_SLEEP if works else SLEEP)
    while machine.halted and machine.clock < end:
        go_on(machine, machine.clock + SLEEP, slices)
    if machine.halted:
        machine.push(NmiButton())
        go_on(machine, machine.clock + 1, slices)
        if machine.halted:
            raise OverError


def meddle(machine: Machine) -> None:
    """Something comes from outside, at times."""
    chance = random.Random(machine.clock)
    if chance.random() < 0.05:
        machine.push(
            chance.choice(
                (
                    SerialInput(chance.randrange(4), chance.randbytes(chance.choice((1, 20, 300)))),
                    KeyInput(chance.randbytes(chance.choice((1, 9)))),
                    ConsoleInput("virtio-console", chance.randbytes(chance.choice((1, 5000)))),
                    PowerButton(),
                    EjectDisc(chance.choice(("cd0", "cd1", "floppy0")), chance.random() < 0.5),
                    InsertDisc(chance.choice(("cd0", "cd1")), chance.choice(("cd.iso", "disk.img"))),
                    InsertDisc("floppy0", "floppy.img", chance.random() < 0.5),
                )
            )
        )


def attacked(machine: Machine, steps: int, slices: Slices = lambda: SLEEP) -> int:
    """How many steps were done until the script or the guest ended."""
    with suppress(OverError):
        for _ in range(LOOKS * steps):
            before = time.process_time()
            go_on(machine, machine.clock // SLICE * SLICE + SLICE, slices)
            if machine.halted:
                sleep(machine, slices)
            meddle(machine)
            assert time.process_time() - before < LONGEST, f"before tick {machine.clock}"
    cursor = int.from_bytes(machine.engine.ram[CURSOR : CURSOR + 4], "little")
    return max(1, min(cursor - SCRIPT >> 4, steps))


def prepared(target: str, seed: int, steps: int, make_engine: EngineFactory = UnicornEngine) -> Machine:
    """A machine whose guest is about to do so many steps to a device."""
    with running(hostile_machine) as machine:
        attacker = Attacker(target, reaches(machine), homes(machine), random.Random(f"{target} {seed}"))
    return hostile_machine(attacker.script(steps), seed % 4, make_engine)


def check(machine: Machine) -> None:
    """Everything can be shown and kept, and comes back as it was."""
    for device in machine.pc.devices.values():
        assert all(isinstance(title, str) and isinstance(words, str) for title, words in device.describe(machine.clock))
    before = digest(machine)
    machine.restore(machine.save())
    assert digest(machine) == before


def attack(target: str, seed: int, steps: int) -> int:
    with running(lambda: prepared(target, seed, steps)) as machine:
        done = attacked(machine, steps)
        check(machine)
    return done


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
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
def test_a_million_steps(target: str) -> None:
    done, seed, grown = 0, 0, 0
    while done < MILLION:
        seed += 1
        done += attack(target, seed, STEPS)
        if seed < 5:
            grown = peak()
    assert peak() < grown + GROWTH


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
def test_many_are_the_same_whoever_looks(target: str) -> None:
    for seed in range(1, 25):
        same_whoever_looks(target, seed, 2000)


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
