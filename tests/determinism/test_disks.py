"""The theorem with a disk: what is on it is state, and neither the host's disk nor a debugger can be told by it."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.disk.drive import Drive, DriveBus, DriveKind
from devices.disk.medium import SECTOR, MediumError
from devices.disk.unit import DiskUnit
from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.machines import digests_at, powered_on, run_in_slices, run_to, running, step_often
from tests.guests.build import assemble
from tests.vmdbg.cli.vmdbg_process import vmdbg
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import Access, WatchHit, WatchpointHit
from vmdbg.engine.stops import Watchpoint
from vmdbg.errors import RecordingError, UserError
from vmdbg.images.image import ImageError
from vmdbg.machine.config import Chipset, MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import Media
from vmdbg.machine.snapshot import Position
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay, replay_file
from vmdbg.recording.save import save_recording, save_snapshot
from vmdbg.recording.writer import start_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 2 << 20
SECTORS = 1000
END = 6_000_000
MARKS = [END * part // 4 for part in range(1, 5)]
CONTENT = random.Random(12).randbytes(SECTORS * SECTOR)


class Source:
    """An image in memory, on a host whose disk can be slow, or fail."""

    read_only = True

    def __init__(self, data: bytes = CONTENT) -> None:
        self.data = data
        self.sectors = len(data) // SECTOR
        self.delay = 0.0
        self.fails_after = -1
        self.reads = 0

    def read(self, sector: int, count: int) -> bytes:
        if self.reads == self.fails_after:
            raise ImageError("the host's disk is gone")
        self.reads += 1
        if self.delay:
            time.sleep(self.delay)
        return self.data[sector * SECTOR : (sector + count) * SECTOR]

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("the image is written")

    def flush(self) -> None:
        pass

    def open_for_writing(self) -> None:
        raise AssertionError("the image is written")

    def recorded(self) -> tuple[int, ...]:
        return ()

    def lasts(self, number: int) -> bool:
        return False

    known_digest = None

    def extents(self) -> Iterator[tuple[int, int]]:
        yield 0, len(self.data)

    def close(self) -> None:
        pass


def disk_origin(source: Source) -> BootOrigin:
    drive = Drive("disk0", DriveKind.DISK, DriveBus.IDE, "disk.img", source.sectors, "S1")
    config = MachineConfig(memory=MEMORY, chipset=Chipset.I440FX, drives=(drive,))
    image = assemble((Path(__file__).parent / "disk.asm").read_text())
    options = BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))
    return BootOrigin(config, boot_image(options), options, media=Media({"disk.img": source}))


def disk_machine(source: Source | None = None) -> Machine:
    return powered_on(disk_origin(source or Source()))


def unit_of(machine: Machine) -> DiskUnit:
    unit = machine.pc.devices["disk0"]
    assert isinstance(unit, DiskUnit)
    return unit


@pytest.fixture(scope="module")
def expected() -> list[Digest]:
    return digests_at(disk_machine, MARKS)


def test_the_guest_reads_and_writes_to_the_end(expected: list[Digest]) -> None:
    requests = []
    with running(disk_machine) as machine:
        unit_of(machine).listeners.append(requests.append)
        assert [run_to(machine, tick) for tick in MARKS] == expected
        assert machine.ending is None
        run_to(machine, 3 * END)
        assert machine.ending is not None
        assert len(list(unit_of(machine).overlay.written())) > 30
    assert len(requests) == 150
    assert {(request.operation, request.count) for request in requests} == {
        (name, count) for name in ("read", "write") for count in (1, 8)
    }
    assert all(request.completed - request.submitted > 20_000 for request in requests)


def test_slices_and_steps_do_not_show(expected: list[Digest]) -> None:
    rng = random.Random(3)
    with running(disk_machine) as machine:
        assert [run_in_slices(machine, t, lambda: rng.choice((90, 7000, 90000))) for t in MARKS[:2]] == expected[:2]
    with running(disk_machine) as machine:
        assert [step_often(machine, tick, 40_000, 20, rng) for tick in MARKS[:2]] == expected[:2]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=actions(st.integers(0x7C00, 0x7DFF), 0, END // 10))
def test_no_debugger_script_shows(script: list[Action], expected: list[Digest]) -> None:
    with running(disk_machine) as machine:
        debugged_to(machine, MARKS[1], script)
        assert digest(machine) == expected[1]


def test_a_slow_host_disk_does_not_show(expected: list[Digest]) -> None:
    source = Source()
    source.delay = 0.002
    with running(lambda: disk_machine(source)) as machine:
        assert run_to(machine, MARKS[0]) == expected[0]


def test_what_is_written_is_in_the_digest() -> None:
    with running(disk_machine) as machine:
        before = digest(machine)
        unit_of(machine).write(7, bytes(SECTOR))
        after = digest(machine)
        assert (before.cpu, before.ram) == (after.cpu, after.ram)
        assert before.devices != after.devices


def test_an_error_of_the_host_stops_the_run_and_loses_nothing(expected: list[Digest]) -> None:
    source = Source()
    source.fails_after = 20
    timeline = Timeline(disk_machine(source))
    with pytest.raises(ImageError, match="is gone"):
        timeline.run(Tick(MARKS[3]))
    stopped = timeline.position
    assert timeline.end == stopped
    with pytest.raises(MediumError):
        timeline.run(Tick(MARKS[3]))
    assert timeline.position == stopped
    source.fails_after = -1
    timeline.run(Tick(MARKS[3]))
    assert digest(timeline.machine) == expected[3]
    timeline.machine.close()


def test_an_error_of_the_host_has_no_access_of_the_device_told_twice() -> None:
    """It has read its table when the image fails, and does so again."""
    told = []
    for fails_after in (-1, *range(3, 12)):
        source = Source()
        source.fails_after = fails_after
        with running(lambda: disk_machine(source)) as machine:  # noqa: B023 - it is made here
            machine.engine.set_watchpoints([Watchpoint(1, 0x9000, 8, frozenset({Access.READ}), physical=True)])
            hits: list[WatchHit] = []
            while machine.clock < MARKS[0]:
                try:
                    outcome = machine.run(Tick(MARKS[0]))
                except ImageError:
                    source.fails_after = -1
                    continue
                hits += outcome.hits if isinstance(outcome, WatchpointHit) else []
            assert source.fails_after == -1
            told.append([hit for hit in hits if hit.device])
    assert told[0]
    assert all(one == told[0] for one in told)


def test_any_checkpoint_leads_on_as_it_was(expected: list[Digest]) -> None:
    timeline = Timeline(disk_machine())
    for tick in range(0, MARKS[2], MARKS[2] // 9):
        timeline.run(Tick(tick))
        timeline.take_checkpoint()
    timeline.run(Tick(MARKS[2]))
    assert digest(timeline.machine) == expected[2]
    rng = random.Random(5)
    for checkpoint in rng.sample(list(timeline.checkpoints), 6):
        timeline.restore(checkpoint)
        timeline.run(Tick(MARKS[2]))
        assert digest(timeline.machine) == expected[2]
    for index in (0, 1, 0):
        timeline.seek(Position(Tick(MARKS[index])))
        assert digest(timeline.machine) == expected[index]
    timeline.machine.close()


def recorded(tmp_path: Path, *, embed: bool = True) -> Path:
    path = tmp_path / "disk.vmdbg"
    origin = disk_origin(Source())
    timeline = Timeline(origin.machine(), origin=origin)
    writer = start_recording(path, timeline, embed=embed)
    timeline.run(Tick(MARKS[2]))
    writer.close()
    timeline.machine.close()
    return path


def test_a_recording_needs_no_image(tmp_path: Path, expected: list[Digest]) -> None:
    path = recorded(tmp_path)
    timeline = replay_file(path)
    for index in (0, 1, 2, 0):
        timeline.seek(Position(Tick(MARKS[index])))
        assert digest(timeline.machine) == expected[index]
    timeline.seek(timeline.end)
    timeline.fork()
    with pytest.raises(RecordingError, match=r"--left-out disk\.img"):
        timeline.run(Tick(END))
    timeline.machine.close()


def test_another_process_comes_to_the_same_state(tmp_path: Path, expected: list[Digest]) -> None:
    done = vmdbg("replay", str(recorded(tmp_path)), "--quiet", "--to", str(MARKS[2]), "--digest", "-")
    found = json.loads(done.stdout)
    assert (found["cpu"], found["ram"], found["devices"]) == (expected[2].cpu, expected[2].ram, expected[2].devices)


def test_with_the_image_a_recording_goes_on(tmp_path: Path, expected: list[Digest]) -> None:
    path, image = recorded(tmp_path), tmp_path / "renamed"
    image.write_bytes(CONTENT)
    timeline = replay(open_recording(path, [image]), closed=False)
    timeline.run(Tick(MARKS[3]))
    assert digest(timeline.machine) == expected[3]
    timeline.machine.close()
    again = tmp_path / "again.vmdbg"
    save_recording(timeline_at_end(path, image), again)
    timeline = replay_file(again)
    timeline.seek(timeline.end)
    assert digest(timeline.machine) == expected[3]
    timeline.machine.close()


def timeline_at_end(path: Path, image: Path) -> Timeline:
    timeline = replay(open_recording(path, [image]), closed=False)
    timeline.run(Tick(MARKS[3]))
    return timeline


@pytest.mark.parametrize("embed", [True, False])
def test_an_image_that_changed_is_named(tmp_path: Path, embed: bool) -> None:
    path, image = recorded(tmp_path, embed=embed), tmp_path / "disk.img"
    image.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(UserError, match="it has changed since"):
        replay(open_recording(path, [image]))


def test_without_embedding_the_image_is_needed_and_told_by_its_contents(tmp_path: Path, expected: list[Digest]) -> None:
    path, kernel, image = recorded(tmp_path, embed=False), tmp_path / "kernel", tmp_path / "d"
    assert path.stat().st_size < len(CONTENT) // 2
    kernel.write_bytes(assemble((Path(__file__).parent / "disk.asm").read_text()))
    image.write_bytes(CONTENT)
    timeline = replay(open_recording(path, [kernel, image]))
    timeline.seek(Position(Tick(MARKS[2])))
    assert digest(timeline.machine) == expected[2]
    timeline.machine.close()
    timeline = replay(open_recording(path, [kernel]))
    with pytest.raises(RecordingError, match=r"--left-out disk\.img"):
        timeline.seek(timeline.end)
    timeline.machine.close()


def test_of_files_that_are_not_the_image_it_is_said_why(tmp_path: Path) -> None:
    """Of another size, damaged, or without what is behind it."""
    path, kernel, half, above = recorded(tmp_path, embed=False), tmp_path / "k", tmp_path / "half", tmp_path / "above"
    kernel.write_bytes(assemble((Path(__file__).parent / "disk.asm").read_text()))
    half.write_bytes(CONTENT[: len(CONTENT) // 2])
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"QFI\xfb" + bytes(200))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", half, "-F", "raw", above, "1M"], check=True)
    sizes = rf"half has {len(CONTENT) // 1024:,} sectors, not its {len(CONTENT) // 512:,}"
    for other, why in ((half, sizes), (damaged, "damaged is a qcow2 image of"), (above, rf"add --left-out {half}")):
        timeline = replay(open_recording(path, [kernel, other]))
        with pytest.raises(RecordingError, match=rf"--left-out disk\.img; .*{why}"):
            timeline.seek(timeline.end)
        timeline.machine.close()


def test_a_snapshot_has_what_was_written(tmp_path: Path, expected: list[Digest]) -> None:
    origin, path, image = disk_origin(Source()), tmp_path / "snapshot.vmdbg", tmp_path / "disk.img"
    image.write_bytes(CONTENT)
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.run(Tick(MARKS[1]))
    save_snapshot(timeline, path)
    timeline.machine.close()
    timeline = replay(open_recording(path, [image]), closed=False)
    assert digest(timeline.machine) == expected[1]
    timeline.run(Tick(MARKS[3]))
    assert digest(timeline.machine) == expected[3]
    timeline.machine.close()


def test_what_others_say_of_drives_is_checked(tmp_path: Path) -> None:
    from vmdbg.recording.bounds import check_bounds

    with open_recording(recorded(tmp_path)) as recording:
        meta = recording.meta
    (drive,) = meta.config.drives
    for bad in (
        replace(drive, sectors=-1),
        replace(drive, sectors=1 << 60),
        replace(drive, name=""),
        replace(drive, name="pic"),
        replace(drive, serial="x" * 1000),
    ):
        config = replace(meta.config, drives=(bad,))
        changed = type(meta)(**{name: getattr(meta, name) for name in meta.__struct_fields__} | {"config": config})
        with pytest.raises(RecordingError, match="drive"):
            check_bounds(changed, "it")
