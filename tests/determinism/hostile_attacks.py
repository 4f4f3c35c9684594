"""Runs of hostile guests: as far as their scripts go, with something coming from outside at times."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from contextlib import suppress

from devices.board.acpi_pm import PowerButton
from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.keyboard.key_table import KEYS
from devices.keyboard.keys import KeyEvents, KeyInput, strokes
from devices.keyboard.mouse_input import MouseInput
from devices.network.inputs import FaultsInput, FrameInput, LinkInput, together
from devices.network.net import cable_name
from devices.serial.feed import SerialInput
from devices.virtio.console import ConsoleInput
from tests.determinism.hostile_scripts import (
    CURSOR,
    MEMORY,
    NETS,
    SCRIPT,
    Attacker,
    Homes,
    Reach,
    homes,
    hostile_machine,
    reaches,
)
from tests.determinism.machines import running
from vmdbg.engine.exits import Stuck, VoidFetch
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.digest import digest
from vmdbg.machine.inputs import NmiButton
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.outcome import HaltedForever
from vmdbg.units import Tick

TARGETS = (
    "ahci", "apm", "com1", "com2", "com3", "com4", "coprocessor", "debugcon", "dma-page", "dma1", "dma2", "fdc",
    "flash", "fw-cfg", "host-bridge", "hpet", "i8042", "ide", "ioapic", "isa-bridge", "lapic", "net0", "net1", "net2",
    "net3", "nvme-disk3",
    "pci", "pic", "pit", "port61", "port92", "power-management", "rtc", "seabios-debugcon", "test-exit", "vga",
    "vga, video memory", "virtio-console", "virtio-disk2", "virtio-rng",
)  # fmt: skip
CHOSEN = (
    "ahci", "fw-cfg", "ide", "ioapic", "lapic", "net0", "net1", "net2", "net3", "nvme-disk3", "pic", "pit",
    "rtc", "virtio-disk2",
)  # fmt: skip
PATIENCE = 200
"""Looks at a guest that does not come on, after which it will not."""
CABLES = tuple(cable_name(net.name) for net in NETS)
PACES = (0, 10_000)
"""Nanoseconds between two key events."""
SLICE, SLEEP, LONG_SLEEP = 20_000, 200_000, 300_000_000
"""Ticks between two looks; after which a CPU that sleeps is woken, and after which where a floppy drive is at work."""
LONGEST = 5.0
"""Seconds of CPU that so many may take: they are some thousand accesses at most."""


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
    """Until something wakes the CPU, or an NMI has to: at times only when a floppy drive is done. Raises OverError."""
    works = any(event.owner == "fdc" for event in machine.scheduler.events())
    patient = works and random.Random(machine.clock).random() < 0.1
    end = machine.clock + (LONG_SLEEP if patient else SLEEP)
    while machine.halted and machine.clock < end:
        go_on(machine, machine.clock + SLEEP, slices)
    if machine.halted:
        machine.push(NmiButton())
        go_on(machine, machine.clock + 1, slices)
        if machine.halted:
            raise OverError


def meddle(machine: Machine) -> None:
    """Something comes from outside, at times."""
    chance, cable = random.Random(machine.clock), CABLES[machine.clock % len(CABLES)]
    if chance.random() < 0.05:
        machine.push(
            chance.choice(
                (
                    SerialInput(chance.randrange(4), chance.randbytes(chance.choice((1, 20, 300)))),
                    KeyInput(chance.randbytes(chance.choice((1, 9)))),
                    strokes(
                        [(chance.randrange(len(KEYS)),) for _ in range(chance.choice((1, 20)))], chance.choice(PACES)
                    ),
                    KeyEvents(bytes((chance.randrange(len(KEYS)),)), 0),
                    MouseInput(chance.randrange(-999, 999), 5, chance.randrange(-9, 9), chance.randrange(32), 1),
                    ConsoleInput("virtio-console", chance.randbytes(chance.choice((1, 5000)))),
                    PowerButton(),
                    FrameInput(cable, chance.randbytes(chance.choice((60, 1514, 4000)))),
                    together(cable, [chance.randbytes(size) for size in chance.choices((14, 1514, 40_000), k=9)]),
                    LinkInput(cable, chance.random() < 0.8),
                    FaultsInput(
                        cable,
                        chance.choice((0, 500_000)),
                        delay=chance.choice((0, 70_000)),
                    ),
                    EjectDisc(chance.choice(("cd0", "cd1", "floppy0")), chance.random() < 0.5),
                    InsertDisc(chance.choice(("cd0", "cd1")), chance.choice(("cd.iso", "disk.img"))),
                    InsertDisc("floppy0", "floppy.img", chance.random() < 0.5),
                )
            )
        )


def attacked(machine: Machine, steps: int, slices: Slices = lambda: SLEEP) -> int:
    """How many steps were done until the script or the guest ended, or it did not come on any more."""
    done, still = 0, 0
    with suppress(OverError):
        while still < PATIENCE:
            before = time.process_time()
            go_on(machine, machine.clock // SLICE * SLICE + SLICE, slices)
            if machine.halted:
                sleep(machine, slices)
            meddle(machine)
            assert time.process_time() - before < LONGEST, f"before tick {machine.clock}"
            at = reached(machine)
            still = still + 1 if at <= done or at > steps else 0
            done = max(done, min(at, steps))
    return max(1, done, min(reached(machine), steps))


def reached(machine: Machine) -> int:
    """The step that the guest is at; anything where it has written over that."""
    return (int.from_bytes(machine.engine.ram[CURSOR : CURSOR + 4], "little") - SCRIPT) // 16


@functools.cache
def surroundings(memory: int = MEMORY) -> tuple[dict[str, Reach], Homes]:
    """What a guest finds at power-on."""
    with running(lambda: hostile_machine(memory=memory)) as machine:
        return reaches(machine), homes(machine)


def prepared(target: str, seed: int, steps: int, make_engine: EngineFactory = UnicornEngine) -> Machine:
    """A machine whose guest is about to do so many steps to a device."""
    attacker = Attacker(target, *surroundings(), random.Random(f"{target} {seed}"))
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
