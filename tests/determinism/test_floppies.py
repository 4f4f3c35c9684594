"""The theorem with a floppy drive: discs, heads and DMA are state, and no debugger can be told by them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.disk.drive import Drive, DriveBus, DriveKind
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.requests import DiskRequest, Operation
from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.machines import digests_at, powered_on, run_in_slices, run_to, running, step_often
from tests.determinism.test_disks import Source
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import Media
from vmdbg.machine.snapshot import Position
from vmdbg.recording.replay import replay_file
from vmdbg.recording.writer import start_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 2 << 20
END = 20_000_000
MARKS = [1_200_000, 3_000_000, 5_000_000]
CONTENT = random.Random(6).randbytes(1440 << 10)


def floppy_origin(source: Source | None = None) -> BootOrigin:
    source = source or Source(CONTENT)
    drive = Drive("floppy0", DriveKind.FLOPPY, DriveBus.FLOPPY, "a.img", source.sectors, "")
    config = MachineConfig(memory=MEMORY, drives=(drive,))
    image = assemble((Path(__file__).parent / "floppy.asm").read_text())
    options = BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))
    media = Media({"a.img": source, "b.img": Source(bytes(1440 << 10))})
    return BootOrigin(config, boot_image(options), options, media=media)


def floppy_machine() -> Machine:
    return powered_on(floppy_origin())


def unit_of(machine: Machine) -> FloppyUnit:
    unit = machine.pc.devices["floppy0"]
    assert isinstance(unit, FloppyUnit)
    return unit


@pytest.fixture(scope="module")
def expected() -> list[Digest]:
    return digests_at(floppy_machine, MARKS)


def test_the_guest_reads_and_writes_to_the_end(expected: list[Digest]) -> None:
    requests: list[DiskRequest] = []
    with running(floppy_machine) as machine:
        unit_of(machine).listeners.append(requests.append)
        assert [run_to(machine, tick) for tick in MARKS] == expected
        assert len({one.devices for one in expected}) == len(MARKS)
        run_to(machine, END)
        assert machine.ending is not None
        overlay = unit_of(machine).overlay
        assert overlay is not None
        assert len(list(overlay.written())) > 10
    assert len(requests) == 60
    assert {one.operation for one in requests} == {Operation.READ, Operation.WRITE}
    assert len({one.sector for one in requests}) > 30


def test_slices_and_steps_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(3)
    with running(floppy_machine) as machine:
        assert run_in_slices(machine, MARKS[0], lambda: rng.choice((90, 7_000, 90_000))) == expected[0]
    with running(floppy_machine) as machine:
        assert step_often(machine, MARKS[0], 40_000, 20, rng) == expected[0]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=actions(st.integers(0x7C00, 0x7DFF), 0, MARKS[0] // 10))
def test_no_debugger_script_shows(script: list[Action], expected: list[Digest]) -> None:
    with running(floppy_machine) as machine:
        debugged_to(machine, MARKS[0], script)
        assert digest(machine) == expected[0]


def test_any_checkpoint_leads_on_as_it_was(expected: list[Digest]) -> None:
    timeline = Timeline(floppy_machine())
    for tick in range(0, MARKS[2], MARKS[2] // 9):
        timeline.run(Tick(tick))
        timeline.take_checkpoint()
    timeline.run(Tick(MARKS[2]))
    assert digest(timeline.machine) == expected[2]
    for checkpoint in random.Random(5).sample(list(timeline.checkpoints), 5):
        timeline.restore(checkpoint)
        timeline.run(Tick(MARKS[2]))
        assert digest(timeline.machine) == expected[2]
    for index in (0, 1, 0):
        timeline.seek(Position(Tick(MARKS[index])))
        assert digest(timeline.machine) == expected[index]
    timeline.machine.close()


def test_a_recording_needs_no_image_though_discs_change(tmp_path: Path, expected: list[Digest]) -> None:
    path, origin = tmp_path / "floppy.vmdbg", floppy_origin()
    timeline = Timeline(origin.machine(), origin=origin)
    writer = start_recording(path, timeline)
    timeline.run(Tick(MARKS[0]))
    assert digest(timeline.machine) == expected[0]
    for tick, data in (
        (1_500_000, InsertDisc("floppy0", "b.img")),
        (3_300_000, EjectDisc("floppy0")),
        (4_000_000, InsertDisc("floppy0", "a.img", read_only=True)),
    ):
        timeline.run(Tick(tick))
        timeline.push(data)
    timeline.run(Tick(MARKS[2]))
    found = {tick: _digest_at(timeline, tick) for tick in (*MARKS, 2_500_000, 4_400_000)}
    assert found[MARKS[2]] != expected[2]
    writer.close()
    timeline.machine.close()
    again = replay_file(path)
    assert {tick: _digest_at(again, tick) for tick in reversed(found)} == found
    again.machine.close()


def _digest_at(timeline: Timeline, tick: int) -> Digest:
    timeline.seek(Position(Tick(tick)))
    return digest(timeline.machine)
