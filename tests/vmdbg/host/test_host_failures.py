"""The host fails a disk: the guest stands before that with all that it was, and goes on once it is mended."""

from __future__ import annotations

import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.determinism.test_disks import CONTENT, MARKS, Source, disk_machine, disk_origin
from tests.guests.build import assemble, require
from tests.vmdbg.cli.vmdbg_process import COMMAND, TIMEOUT, environment, errors, vmdbg
from vmdbg.api import Guest
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue, Seek
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import HostFailed, StepDone
from vmdbg.errors import UserError
from vmdbg.host.endings import HostFailed as Ending
from vmdbg.host.poller import Poller
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.runner import KeptRunner, PlainRunner
from vmdbg.host.serial_lines import NullBackend
from vmdbg.images.image import ImageError
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position
from vmdbg.recording.replay import replay_file
from vmdbg.recording.writer import start_recording
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

GUEST = Path(__file__).parents[2] / "determinism" / "disk.asm"


@pytest.fixture
def source() -> Source:
    made = Source()
    made.fails_after = 20
    return made


@pytest.fixture
def debugger(source: Source) -> Iterator[Debugger]:
    origin = disk_origin(source)
    made = Debugger(Timeline(origin.machine(), origin=origin))
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected() -> dict[int, object]:
    machine = disk_machine()
    found: dict[int, object] = {}
    for mark in MARKS:
        machine.run(Tick(mark))
        found[mark] = digest(machine)
    machine.close()
    return found


def test_the_guest_stands_at_an_instant_and_goes_on_once_it_is_mended(
    debugger: Debugger, source: Source, expected: dict[int, object]
) -> None:
    debugger.resume(Continue())
    stop = debugger.wait()
    assert stop == HostFailed("the host's disk is gone")
    stood = debugger.position
    assert debugger.timeline.end == stood
    debugger.resume(Continue())
    assert debugger.wait() == stop
    assert debugger.position == stood
    debugger.resume(Seek(Position(Tick(stood.tick // 2))))  # all that was read is known still
    assert debugger.wait() == StepDone()
    debugger.resume(Seek(debugger.timeline.end))
    assert debugger.wait() == StepDone()
    assert debugger.position == stood
    source.fails_after = -1
    debugger.resume(Continue(limit=Tick(MARKS[3])))
    assert debugger.wait() == StepDone()
    assert digest(debugger.machine) == expected[MARKS[3]]


def test_steps_come_to_the_same_instant(debugger: Debugger, source: Source) -> None:
    timeline = debugger.timeline
    with pytest.raises(ImageError):
        timeline.run(Tick(MARKS[3]))
    stood = timeline.position
    timeline.seek(Position(Tick(stood.tick - 3000)))
    timeline.fork()
    with pytest.raises(ImageError):
        step_for_ever(timeline)
    assert timeline.position == stood == timeline.end


def step_for_ever(timeline: Timeline) -> None:
    while True:
        timeline.step()


def test_what_changed_on_the_host_is_not_needed_for_the_past(
    debugger: Debugger, source: Source, expected: dict[int, object]
) -> None:
    source.fails_after = -1
    timeline = debugger.timeline
    timeline.run(Tick(MARKS[2]))
    source.data = bytes(len(CONTENT))
    source.fails_after = source.reads
    for mark in (MARKS[0], MARKS[2], MARKS[1]):
        timeline.seek(Position(Tick(mark)))
        assert digest(timeline.machine) == expected[mark]


def test_the_prompt_stays(debugger: Debugger, source: Source) -> None:
    session = Session(debugger, catalog.commands(), allowed=~Effect.NONE)
    shown = session.execute("continue")
    assert "the host's disk is gone" in shown
    assert "to go on is to try again" in shown
    assert "disk0" in session.execute("disk")
    assert "the host's disk is gone" in session.execute("stepi 100000000")
    source.fails_after = -1
    assert "gone" not in session.execute("stepi 10")


def test_a_script_is_told_by_an_exception(source: Source, expected: dict[int, object]) -> None:
    origin = disk_origin(source)
    with Guest(Timeline(origin.machine(), origin=origin)) as guest:
        with pytest.raises(UserError, match="the host's disk is gone"):
            guest.run(MARKS[3])
        source.fails_after = -1
        guest.run(MARKS[3] - guest.tick)
        assert guest.digest() == expected[MARKS[3]]


def loop_of(timeline: Timeline, poller: Poller) -> RunLoop:
    return RunLoop(timeline.machine, KeptRunner(timeline), NullBackend(), poller, lambda _line: None)


def test_a_recording_stays_valid_and_whole(source: Source, tmp_path: Path, expected: dict[int, object]) -> None:
    origin, path, poller = disk_origin(source), tmp_path / "it.vmdbg", Poller()
    timeline = Timeline(origin.machine(), origin=origin)
    writer = start_recording(path, timeline)
    ending = loop_of(timeline, poller).run()
    assert ending == Ending("the host's disk is gone")
    end = digest(timeline.machine)
    writer.close("ended")
    timeline.machine.close()
    poller.close()
    again = replay_file(path)
    again.seek(again.end)
    assert digest(again.machine) == end
    assert again.verification.agreed
    again.machine.close()


def test_who_keeps_nothing_can_take_over(source: Source, expected: dict[int, object]) -> None:
    machine, told, poller = disk_machine(source), list[str](), Poller()
    loop = RunLoop(machine, PlainRunner(machine), NullBackend(), poller, lambda _line: None)
    loop.stop_at = Tick(MARKS[3])

    def take_over(reason: str) -> bool:
        told.append(reason)
        loop.runner = KeptRunner(Timeline(machine))
        source.fails_after = -1
        return True

    loop.taken_over = take_over
    loop.run()
    assert told == ["the host's disk is gone"]
    assert digest(machine) == expected[MARKS[3]]
    machine.close()
    poller.close()


@pytest.fixture
def full(tmp_path: Path) -> list[str]:
    """Options of a run whose image cannot grow as its guest wants it to, for `limited`."""
    guest, raw, path = tmp_path / "guest.bin", tmp_path / "disk.img", tmp_path / "disk.qcow2"
    guest.write_bytes(assemble(GUEST.read_text()))
    raw.write_bytes(CONTENT)
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "-b", raw, "-F", "raw", path]
    subprocess.run(make, check=True)
    return ["run", str(guest), "--memory", "2M", "--disk", f"{path},backing={raw},snapshot=off"]


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_run_with_nobody_there_says_what_failed(full: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, *full], preexec_fn=limited, capture_output=True, env=environment(), timeout=TIMEOUT, check=False
    )
    assert done.returncode == 2
    said = errors(done)
    assert re.search(r"error: the host cannot write the image \S*disk\.qcow2 at byte \d+: File too large", said)
    assert re.search(r"stopped at tick \d+, before that", said)


def test_a_real_gdb_is_told_and_stays(full: list[str]) -> None:
    command = [*COMMAND, *full, "--gdb", "0", "--wait", "--serial", "none"]
    with subprocess.Popen(command, preexec_fn=limited, stderr=subprocess.PIPE, env=environment(), text=True) as process:
        assert process.stderr is not None
        found = re.search(r"target remote (\S+)", process.stderr.readline())
        assert found is not None
        lines = ["set confirm off", f"target remote {found[1]}", "continue", "p 6*7", "reverse-stepi", "p 7*8", "kill"]
        options = [word for line in lines for word in ("-ex", line)]
        client = subprocess.run(
            [require("gdb"), "-nx", "-batch", *options], capture_output=True, timeout=TIMEOUT, text=True, check=False
        )
        said = client.stdout + client.stderr
        process.communicate(timeout=TIMEOUT)
    assert "File too large" in said
    assert "$1 = 42" in said
    assert "$2 = 56" in said


def test_a_disk_of_a_recording_asks_for_its_image_only_where_that_is_wanted(tmp_path: Path) -> None:
    guest, image = tmp_path / "guest.bin", tmp_path / "disk.img"
    recording, snapshot = tmp_path / "it.vmdbg", tmp_path / "then.vmdbg"
    guest.write_bytes(assemble(GUEST.read_text()))
    image.write_bytes(CONTENT)
    options = [str(guest), "--memory", "2M", "--disk", image, "--stop-at", str(MARKS[1])]
    done = vmdbg("record", recording, *options)
    assert done.returncode == 0, errors(done)
    image.unlink()
    for words in (
        ("replay", recording, "--verify", "-x", "query disk", "-x", "goto 1m", "-x", "disk"),
        ("save", recording, snapshot, "--at", str(MARKS[0])),
    ):
        done = vmdbg(*words)
        assert done.returncode == 0, (words, errors(done))
        assert "left-out" not in errors(done)
    done = vmdbg("run", "--from", snapshot, "--stop-at", str(MARKS[3]))
    assert done.returncode == 2
    assert re.search(r"sector \d+ of disk\.img is wanted, .*: give the image with --left-out disk\.img", errors(done))
