"""A reset starts the machine again at one instant and in one state, however the run comes by there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.determinism.machines import digests_at, run_in_slices, run_to, running, step_often
from tests.guests.build import assemble
from tests.vmdbg.machine.guest_runs import text_of
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, InputFile
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import Chipset, MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import ResetRequested, TestExited
from vmdbg.machine.power_on import power_on
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 2 << 20
CONFIG = MachineConfig(memory=MEMORY, chipset=Chipset.I440FX, restarts=True)
END = 1_670_000
MARKS = [END * part // 12 for part in range(1, 13)]


def _image() -> BootImage:
    firmware = assemble((Path(__file__).parent / "restarts.asm").read_text())
    return boot_image(BootOptions(memory=MEMORY, bios=InputFile("restarts", memoryview(firmware))))


def restarting_machine(config: MachineConfig = CONFIG) -> Machine:
    machine = Machine(config, UnicornEngine)
    power_on(machine, _image())
    return machine


@pytest.fixture(scope="module")
def expected() -> list[Digest]:
    return digests_at(restarting_machine, MARKS)


def test_each_start_finds_the_machine_as_at_power_on_but_for_memory() -> None:
    with running(restarting_machine) as machine:
        told: list[bytes] = []
        machine.debug_console.listeners.append(lambda _port, data, _now: told.append(data))
        outcome = machine.run(Tick(1 << 40))
        assert outcome == TestExited(1)
        first, *others = [text_of(told)[at : at + 3] for at in range(0, 12, 3)]
        assert others == [first] * 3
        assert machine.engine.ram[0x500] == 4
        assert machine.clock > END


def test_a_machine_that_does_not_restart_ends_there() -> None:
    with running(lambda: restarting_machine(MachineConfig(memory=MEMORY, chipset=Chipset.I440FX))) as machine:
        assert machine.run(Tick(1 << 40)) == ResetRequested()
        assert machine.engine.ram[0x500] == 1


def test_slices_and_steps_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(5)
    with running(restarting_machine) as machine:
        assert [run_in_slices(machine, tick, lambda: rng.choice((1, 3, 50, 9000))) for tick in MARKS] == expected
    with running(restarting_machine) as machine:
        assert [step_often(machine, tick, 3_000, 60, rng) for tick in MARKS] == expected


def test_every_instruction_around_a_reset_can_be_stood_at(expected: list[Digest]) -> None:
    """Stepped through the first reset, and gone on from there."""
    with running(restarting_machine) as machine:
        while machine.engine.ram[0x500] == 0:
            machine.run(Tick(machine.clock + 200))
        for _ in range(60):
            machine.step()
        later = [(tick, known) for tick, known in zip(MARKS, expected, strict=True) if tick > machine.clock]
        assert [run_to(machine, tick) for tick, _ in later] == [known for _, known in later]


def test_any_instant_can_be_gone_to(expected: list[Digest]) -> None:
    image = _image()
    timeline = Timeline(restarting_machine(), origin=BootOrigin(CONFIG, image))
    try:
        timeline.run(Tick(END))
        for tick, known in random.Random(6).sample(list(zip(MARKS, expected, strict=True)), 6):
            timeline.seek(Position(Tick(tick)))
            assert digest(timeline.machine) == known
    finally:
        timeline.machine.close()
