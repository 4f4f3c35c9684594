"""What was recorded comes back, in this process and in others, and goes on from snapshots."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devices.serial.feed import SerialInput
from tests.guests.build import sample_kernel
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg
from tests.vmdbg.recording.conftest import Recorded
from tests.vmdbg.recording.guests import ENDS_AT, TYPED_AT, new_timeline, record_session, session
from vmdbg.errors import RecordingError, UserError
from vmdbg.machine.digest import digest
from vmdbg.machine.inputs import MemoryWrite, RegisterWrite
from vmdbg.machine.snapshot import Position
from vmdbg.recording.fingerprint import build_fingerprint
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay, replay_file
from vmdbg.recording.save import save_recording, save_snapshot
from vmdbg.recording.writer import start_recording
from vmdbg.timeline.outcomes import EndOfHistory
from vmdbg.timeline.state_digest import DivergenceError
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Physical, Tick

FOR_EVER = Tick(1 << 62)


def test_replay_ends_in_the_recorded_state(recorded: Recorded) -> None:
    timeline = replay_file(recorded.path)
    timeline.verification.wanted = True
    assert timeline.run(FOR_EVER) == EndOfHistory()
    assert digest(timeline.machine) == recorded.digest
    assert timeline.verification.agreed == 1
    assert "switch" not in timeline.console.text
    assert timeline.end == Position(ENDS_AT) or timeline.end.tick - ENDS_AT < 15
    timeline.machine.close()


def test_replay_from_any_checkpoint_ends_in_the_recorded_state(recorded: Recorded) -> None:
    timeline = replay_file(recorded.path)
    assert len(timeline.checkpoints) > 1
    for checkpoint in timeline.checkpoints:
        timeline.seek(checkpoint.position)
        timeline.seek(timeline.end)
        assert digest(timeline.machine) == recorded.digest
    timeline.machine.close()


def test_another_process_replays_to_the_same_digest(recorded: Recorded) -> None:
    command = [sys.executable, "-m", "vmdbg", "replay", str(recorded.path), "--verify", "--quiet", "--digest", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert json.loads(done.stdout)["ram"] == recorded.digest.ram
    assert "1 of 1 digests agree" in done.stderr


def test_what_it_takes_to_come_to_checkpoints_is_kept(tmp_path: Path) -> None:
    timeline = new_timeline()
    for tick in (300_000, 1_000_000):
        timeline.run(Tick(tick))
        timeline.take_checkpoint()
    save_recording(timeline, tmp_path / "kept")
    again = replay_file(tmp_path / "kept")
    wanted, found = ([t.checkpoints.seconds(checkpoint) for checkpoint in t.checkpoints] for t in (timeline, again))
    assert found == pytest.approx(wanted, abs=1e-6)
    assert min(found[1:]) > 0
    timeline.machine.close()
    again.machine.close()


def test_console_and_inputs_are_kept(recorded: Recorded) -> None:
    with open_recording(recorded.path) as recording:
        assert [entry.input for entry in recording.inputs] == [
            SerialInput(0, b"threads\r"),
            SerialInput(0, b"pages\r"),
        ]
        assert recording.inputs[0].position.tick - TYPED_AT < 15
        assert recording.complete
        assert not recording.damage
        assert b"".join(piece.data for piece in recording.console if piece.port == 0).startswith(b"vmdbg sample")


def test_the_log_is_small(recorded: Recorded) -> None:
    assert recorded.path.stat().st_size < 1 << 20


def test_inputs_between_two_deliveries_at_one_tick_come_there_again(tmp_path: Path) -> None:
    """A debugger's write at the first instruction of a handler must not come before the interrupt."""
    timeline = new_timeline()
    start_recording(tmp_path / "r", timeline)
    timeline.run(Tick(1_000_000))
    due = timeline.machine.scheduler.next_due()
    assert due is not None
    timeline.run(Tick(due - 50))
    while not timeline.position.phase:
        timeline.step()
    timeline.push(MemoryWrite(Physical(0x80000), b"here"))
    timeline.push(RegisterWrite("rbp", 0x1234))
    timeline.run(Tick(4_000_000))
    wanted = digest(timeline.machine)
    assert timeline.recorder is not None
    timeline.recorder.close()  # type: ignore[attr-defined]  # it is the writer
    timeline.machine.close()
    again = replay_file(tmp_path / "r")
    again.run(FOR_EVER)
    assert digest(again.machine) == wanted
    again.machine.close()


def test_writes_to_vector_registers_come_again(tmp_path: Path) -> None:
    timeline = new_timeline(cpu="x86-64-v3")
    start_recording(tmp_path / "r", timeline)
    timeline.run(Tick(1_000_000))
    for name, value in (("ymm3", 1 << 255 | 5), ("xmm4", 1 << 127), ("st2", 1 << 79), ("rbp", 1 << 63)):
        timeline.push(RegisterWrite(name, value))
    timeline.run(Tick(2_000_000))
    wanted, vector = digest(timeline.machine), timeline.machine.engine.read_register("ymm3")
    assert timeline.recorder is not None
    timeline.recorder.close()  # type: ignore[attr-defined]  # it is the writer
    timeline.machine.close()
    again = replay_file(tmp_path / "r")
    again.run(FOR_EVER)
    assert digest(again.machine) == wanted
    assert again.machine.engine.read_register("ymm3") == vector == 1 << 255 | 5
    again.machine.close()


def test_a_timeline_in_memory_can_be_saved_afterwards(tmp_path: Path, recorded: Recorded) -> None:
    timeline = new_timeline()
    session(timeline)
    timeline.seek(Position(Tick(1_000_000)))
    save_recording(timeline, tmp_path / "late")
    timeline.machine.close()
    again = replay_file(tmp_path / "late")
    again.verification.wanted = True
    again.run(FOR_EVER)
    assert digest(again.machine) == recorded.digest
    again.machine.close()


@pytest.mark.parametrize("where", [0, 1_000_000, 335_000_000])
def test_a_snapshot_goes_on_as_the_original_does(tmp_path: Path, recorded: Recorded, where: int) -> None:
    timeline = replay_file(recorded.path)
    timeline.seek(Position(Tick(where)))
    save_snapshot(timeline, tmp_path / "snapshot")
    wanted = digest(timeline.machine)
    limit = Tick(timeline.position.tick + 5_000_000)
    timeline.run(limit)
    later = digest(timeline.machine)
    timeline.machine.close()
    with open_recording(tmp_path / "snapshot") as recording:
        resumed = replay(recording, closed=False)
        assert digest(resumed.machine) == wanted
        assert resumed.live
        resumed.run(limit)
        if where != 335_000_000:
            assert digest(resumed.machine) == later
        resumed.seek(resumed.start)
        assert digest(resumed.machine) == wanted
        resumed.machine.close()


def test_a_recording_can_begin_at_a_snapshot(tmp_path: Path, recorded: Recorded) -> None:
    first = replay_file(recorded.path)
    first.seek(Position(Tick(1_000_000)))
    save_snapshot(first, tmp_path / "snapshot")
    first.machine.close()
    with open_recording(tmp_path / "snapshot") as recording:
        resumed = replay(recording, closed=False)
        writer = start_recording(tmp_path / "second", resumed)
        resumed.run(Tick(20_000_000))
        wanted = digest(resumed.machine)
        writer.close()
        resumed.machine.close()
    again = replay_file(tmp_path / "second")
    again.run(FOR_EVER)
    assert digest(again.machine) == wanted
    again.machine.close()


def test_files_can_be_left_out(tmp_path: Path, recorded: Recorded) -> None:
    found = record_session(tmp_path / "thin", embed=False)
    assert found == recorded.digest
    with open_recording(tmp_path / "thin") as recording:
        assert recording.meta.files is not None
    with pytest.raises(UserError, match=r"kernel that was recorded, .*, is missing: it is not in the recording"):
        replay_file(tmp_path / "thin")
    again = replay_file(tmp_path / "thin", left_out=[sample_kernel()])
    again.run(FOR_EVER)
    assert digest(again.machine) == recorded.digest
    again.machine.close()


def test_a_file_that_changed_is_named(tmp_path: Path) -> None:
    from vmdbg.boot.detect import boot_image
    from vmdbg.boot.image import BootOptions
    from vmdbg.boot.source import read_input
    from vmdbg.machine.config import MachineConfig
    from vmdbg.timeline.origin import BootOrigin

    kernel = tmp_path / "boot.img"
    kernel.write_bytes((b"\xeb\xfe").ljust(510, b"\0") + b"\x55\xaa")
    options = BootOptions(memory=4 << 20, kernel=read_input(kernel, "kernel"))
    origin = BootOrigin(MachineConfig(memory=4 << 20), boot_image(options), options)
    timeline = Timeline(origin.machine(), origin=origin)
    start_recording(tmp_path / "r", timeline, embed=False).close()
    timeline.machine.close()
    kernel.write_bytes((b"\xfa\xf4").ljust(510, b"\0") + b"\x55\xaa")
    with pytest.raises(UserError, match=r"boot\.img, is missing: none of the files given is that one"):
        replay_file(tmp_path / "r", left_out=[kernel])


def test_a_divergence_is_an_error_that_says_where_and_what(recorded: Recorded) -> None:
    timeline = replay_file(recorded.path)
    timeline.verification.wanted = True
    timeline.run(Tick(350_000_000))
    timeline.machine.engine.write_ram(Physical(0x70000), b"cosmic ray")
    with pytest.raises(DivergenceError, match=r"diverged .* ram differ") as caught:
        timeline.run(FOR_EVER)
    assert caught.value.differing == ("ram",)
    assert caught.value.expected.position == timeline.end
    timeline.machine.close()


def test_a_divergence_in_a_recording_of_another_build_names_that_build(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not open_recording(recorded.path).other_build
    monkeypatch.setattr("vmdbg.recording.meta.build_fingerprint", lambda: "0123456789ab")
    timeline = replay_file(recorded.path)
    timeline.run(Tick(350_000_000))
    timeline.machine.engine.write_ram(Physical(0x70000), b"other devices")
    builds = f"made by another build .*{build_fingerprint()}; this is .*0123456789ab"
    with pytest.raises(DivergenceError, match=builds):
        timeline.run(FOR_EVER)
    timeline.machine.close()


def without_one(devices: dict[str, bytes]) -> dict[str, bytes]:
    return dict(list(devices.items())[:-1])


def with_another(devices: dict[str, bytes]) -> dict[str, bytes]:
    return devices | {"toaster": b""}


def with_other_contents(devices: dict[str, bytes]) -> dict[str, bytes]:
    return devices | {next(iter(devices)): b"\xa3abc"}


@pytest.mark.parametrize("change", [without_one, with_another, with_other_contents])
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_recording_of_a_build_with_other_devices_is_refused_when_it_is_opened(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    snapshot: bool,
) -> None:
    timeline = new_timeline()
    timeline.run(Tick(1_000_000))
    save = timeline.machine.save
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("vmdbg.recording.meta.build_fingerprint", lambda: "0123456789ab")
        elsewhere.setattr(timeline.machine, "save", lambda: replace(save(), devices=change(save().devices)))
        timeline.take_checkpoint()
        (save_snapshot if snapshot else save_recording)(timeline, tmp_path / "elsewhere")
    timeline.machine.close()
    differs = "other devices|saved state of"
    words = rf"elsewhere was made by another build .*0123456789ab.*({differs}).*: replay it with the build that made it"
    with pytest.raises(RecordingError, match=words):
        replay_file(tmp_path / "elsewhere")


def test_what_is_saved_of_a_recording_of_another_build_stays_that_builds(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmdbg.recording.meta.build_fingerprint", lambda: "0123456789ab")
    timeline = replay_file(recorded.path)
    save_recording(timeline, tmp_path / "again")
    timeline.seek(Position(Tick(350_000_000)))
    save_snapshot(timeline, tmp_path / "instant")
    timeline.machine.close()
    assert open_recording(tmp_path / "again").meta.build == build_fingerprint()
    assert open_recording(tmp_path / "instant").meta.build == "0123456789ab"


def test_a_recording_is_never_overwritten(recorded: Recorded) -> None:
    timeline = new_timeline()
    with pytest.raises(UserError, match="exists already"):
        start_recording(recorded.path, timeline)
    timeline.machine.close()


def test_forking_leaves_the_recording_as_it_was(tmp_path: Path, recorded: Recorded) -> None:
    before = recorded.path.read_bytes()
    timeline = replay_file(recorded.path)
    timeline.seek(Position(TYPED_AT))
    with pytest.raises(UserError, match="fork"):
        timeline.push(SerialInput(0, b"ticks\r"))
    timeline.fork()
    timeline.push(SerialInput(0, b"ticks\r"))
    timeline.run(ENDS_AT)
    assert timeline.console.text.endswith("sample> ticks\r\n33\r\nsample> ")
    save_recording(timeline, tmp_path / "forked")
    timeline.machine.close()
    assert recorded.path.read_bytes() == before
    again = replay_file(tmp_path / "forked")
    again.run(FOR_EVER)
    assert again.history.inputs[-1].input == SerialInput(0, b"ticks\r")
    again.machine.close()


def test_a_snapshot_cannot_be_read_as_something_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x7fELF" + bytes(100))
    with pytest.raises(RecordingError, match="no vmdbg recording"):
        open_recording(path)


def test_the_symbols_of_an_elf_kernel_come_along(tmp_path: Path) -> None:
    made, kept = tmp_path / "kernel.elf", tmp_path / "run.vmdbg"
    made.write_bytes(sample_kernel().read_bytes())
    assert vmdbg("record", kept, made, "--serial", "none", "--stop-at", "1000000").returncode == 0
    made.unlink()
    done = vmdbg("replay", kept, "--quiet", "-x", "symbol deposit", "-x", "list deposit")
    assert done.returncode == 0, errors(done)
    assert b"<deposit>" in done.stdout
    assert b"bank.c:62" in done.stdout
