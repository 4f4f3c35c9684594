"""Damaged recordings: nothing crashes, the damage is named, and what came before it replays."""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vmdbg.recording.conftest import Recorded
from tests.vmdbg.recording.guests import ENDS_AT, new_timeline, session
from vmdbg.errors import NotKeptError, RecordingError, UserError
from vmdbg.machine.digest import digest
from vmdbg.recording.blocks import CACHE, FILE_HEADER, Block, BlockWriter, Kind, scan
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay, replay_file
from vmdbg.recording.save import save_recording, save_snapshot
from vmdbg.recording.writer import start_recording
from vmdbg.units import Tick

FOR_EVER = Tick(1 << 62)
slowly = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def blocks_of(path: Path) -> list[Block]:
    with path.open("rb") as file:
        return [item for item in scan(file, path.stat().st_size) if isinstance(item, Block)]


def replays(path: Path) -> int:
    """Replay what can be; the tick it ends at, -1 if it is refused clearly."""
    try:
        recording = open_recording(path)
    except (RecordingError, UserError):
        return -1
    with recording:
        try:
            timeline = replay(recording)
        except RecordingError:
            return -1
        timeline.verification.wanted = True
        timeline.seek(timeline.end)
        tick = timeline.position.tick
        timeline.machine.close()
        return tick


@slowly
@given(data=st.data())
def test_a_file_cut_off_anywhere_replays_up_to_there(recorded: Recorded, tmp_path: Path, data: st.DataObject) -> None:
    whole = recorded.path.read_bytes()
    length = data.draw(st.integers(0, len(whole)))
    path = tmp_path / "cut"
    path.write_bytes(whole[:length])
    reached = replays(path)
    flushed = [block for block in blocks_of(recorded.path) if block.kind == Kind.INPUTS and block.end <= length]
    assert reached > 0 if len(flushed) > 1 else reached <= ENDS_AT


@slowly
@given(data=st.data())
def test_flipped_bits_are_found(recorded: Recorded, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(recorded.path.read_bytes())
    places = data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=4))
    for place in places:
        whole[place // 8] ^= 1 << place % 8
    path = tmp_path / "flipped"
    path.write_bytes(whole)
    assert replays(path) <= ENDS_AT + 15


def test_a_lost_checkpoint_costs_nothing_but_time(recorded: Recorded, tmp_path: Path) -> None:
    whole = bytearray(recorded.path.read_bytes())
    for block in blocks_of(recorded.path):
        if block.kind in CACHE:
            whole[block.end - 1] ^= 0xFF
    path = tmp_path / "no-cache"
    path.write_bytes(whole)
    with open_recording(path) as recording:
        assert recording.damage
        timeline = replay(recording)
        assert len(timeline.checkpoints) == 1
        timeline.seek(timeline.end)
        assert digest(timeline.machine) == recorded.digest
        timeline.machine.close()


def test_after_a_damaged_input_block_history_ends_at_the_last_good_point(recorded: Recorded, tmp_path: Path) -> None:
    whole = bytearray(recorded.path.read_bytes())
    inputs = [block for block in blocks_of(recorded.path) if block.kind == Kind.INPUTS]
    damaged = inputs[-2]
    whole[damaged.end - 1] ^= 1
    path = tmp_path / "damaged"
    path.write_bytes(whole)
    with open_recording(path) as recording:
        assert not recording.complete
        assert any(f"bytes {damaged.offset} to {damaged.end} (inputs)" in text for text in recording.damage)
        assert any("history ends at" in text for text in recording.damage)
        assert recording.end.tick < ENDS_AT
    assert replays(path) > 0


def test_a_damaged_kernel_is_named(recorded: Recorded, tmp_path: Path) -> None:
    whole = bytearray(recorded.path.read_bytes())
    block = next(block for block in blocks_of(recorded.path) if block.kind == Kind.CONTENT)
    whole[block.end - 1] ^= 1
    path = tmp_path / "damaged"
    path.write_bytes(whole)
    with pytest.raises(RecordingError, match="damaged or missing"):
        replay_file(path)


def test_another_format_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    whole = bytearray(recorded.path.read_bytes())
    whole[:16] = FILE_HEADER.pack(b"VMDBGREC", 99, 0)
    path = tmp_path / "future"
    path.write_bytes(whole)
    with pytest.raises(RecordingError, match="recording format 99, but this vmdbg reads formats 2, 3, 4 and 5"):
        open_recording(path)


def test_another_engine_is_refused(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmdbg.recording.meta.ENGINE_VERSION", "Unicorn 9.9.9")
    with pytest.raises(RecordingError, match=r"on Unicorn 2\.1\.4, .* and this is .* on Unicorn 9\.9\.9"):
        open_recording(recorded.path)


RECORD = """
import sys
from tests.vmdbg.recording.guests import new_timeline, session
from vmdbg.recording.save import save_recording, save_snapshot
from vmdbg.recording.writer import start_recording
from vmdbg.units import Tick
timeline = new_timeline()
start_recording(sys.argv[1], timeline).flush()
while True:
    timeline.run(Tick(timeline.position.tick + 3_000_000))
    print(timeline.position.tick, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 40, 130])
def test_kill_9_leaves_everything_up_to_the_last_flush(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "killed"
    command = [sys.executable, "-c", RECORD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    with open_recording(path) as recording:
        assert not recording.complete
        end = recording.end.tick
    assert replays(path) == end


def test_a_full_disk_ends_the_recording_and_not_the_guest(tmp_path: Path, recorded: Recorded) -> None:
    path = tmp_path / "full"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    timeline = new_timeline()
    said = []
    try:
        writer = start_recording(path, timeline, on_failure=said.append)
        timeline.run(Tick(1_000_000))
        writer.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limits[1]))
        session(timeline)
        writer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert digest(timeline.machine) == recorded.digest
    assert len(said) == 1
    assert "cannot be written any more" in str(said[0])
    writer.close()
    timeline.machine.close()
    assert replays(path) >= 1_000_000


class Full(io.FileIO):
    """A file on a disk that has `room` bytes left; less may still fit when more did not."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "xb")
        self._room = room

    def write(self, data: bytes) -> int:  # type: ignore[override]  # what BlockWriter gives
        if len(data) > self._room:
            written = super().write(bytes(data)[: self._room // 2])
            self._room -= written
            raise OSError(errno.ENOSPC, "No space left on device")
        self._room -= len(data)
        return super().write(data)


def test_nothing_is_written_after_a_block_that_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "full"
    with Full(path, 1000) as file:
        writer = BlockWriter(file)
        writer.append(Kind.META, b"a" * 100)
        for size in (2000, 10):
            with pytest.raises(OSError, match="No space left"):
                writer.append(Kind.INPUTS, os.urandom(size))
    assert [block.kind for block in blocks_of(path)] == [Kind.META]
    with path.open("rb") as file:
        assert all(isinstance(item, Block) for item in scan(file, path.stat().st_size))


def test_what_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    timeline = new_timeline()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(RecordingError, match="cannot be written: File too large"):
            save_snapshot(timeline, tmp_path / "s")
        with pytest.raises(RecordingError, match="cannot be written: File too large"):
            save_recording(timeline, tmp_path / "r")
        with pytest.raises(NotKeptError, match=r"cannot write .*live: File too large"):
            start_recording(tmp_path / "live", timeline)
        assert timeline.recorder is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
        timeline.machine.close()
    assert not list(tmp_path.iterdir())


def test_a_device_without_room_is_refused() -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("there is no /dev/full")
    timeline = new_timeline()
    with pytest.raises(UserError):
        start_recording("/dev/full", timeline)
    timeline.machine.close()
