"""What is in the file at an instant is what is left of a recording whose process is killed then."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices.disk.cd_unit import EjectDisc, InsertDisc
from devices.disk.medium import MediumError
from tests.determinism.test_disks import Source
from tests.determinism.test_floppies import MARKS, floppy_origin
from tests.vmdbg.recording.guests import CHECKPOINTS_AT, new_timeline
from vmdbg.errors import NotKeptError
from vmdbg.machine.digest import Digest, digest
from vmdbg.recording import known_digests
from vmdbg.recording.media_digest import Contents, content_digest
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay, replay_file
from vmdbg.recording.save import record_on, save_snapshot
from vmdbg.recording.writer import RecordingWriter, start_recording
from vmdbg.timeline.timeline import Timeline

HASHING_ENDS_IN = 60.0


def left_of(path: Path) -> Digest:
    """The end of what a kill would leave now."""
    left = path.with_suffix(".left")
    shutil.copyfile(path, left)
    timeline = replay_file(left)
    timeline.seek(timeline.end)
    found = digest(timeline.machine)
    timeline.machine.close()
    return found


def hashes_in(path: Path) -> dict[str, str]:
    left = path.with_suffix(".left")
    shutil.copyfile(path, left)
    with open_recording(left) as recording:
        return {name: medium.digest for name, medium in recording.media.items()}


def hashes_of(timeline: Timeline) -> dict[str, str]:
    return {medium.name: content_digest(medium.image) for medium in timeline.machine.media}


def hashes_follow(writer: RecordingWriter, timeline: Timeline, hashing: threading.Event) -> None:
    """The end of the recording, which waits for them."""
    hashing.set()
    writer.close()
    assert hashes_in(writer.path) == hashes_of(timeline)
    timeline.machine.close()


def floppy_timeline() -> Timeline:
    origin = floppy_origin()
    return Timeline(origin.machine(), origin=origin)


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Media are hashed once it is set: what a large image takes."""
    may_end = threading.Event()

    def slow_digest(source: Contents, most: int | None, is_over: Callable[[], bool]) -> str:
        assert may_end.wait(HASHING_ENDS_IN)
        return content_digest(source, most, is_over)

    monkeypatch.setattr(known_digests, "content_digest", slow_digest)
    yield may_end
    may_end.set()


def test_before_the_guest_runs_the_file_holds_what_its_history_begins_with(tmp_path: Path) -> None:
    timeline = new_timeline()
    start_recording(tmp_path / "r", timeline)
    assert left_of(tmp_path / "r") == digest(timeline.machine)
    timeline.machine.close()


def test_so_does_the_file_of_a_guest_that_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    saved = new_timeline()
    saved.run(CHECKPOINTS_AT[0])
    save_snapshot(saved, tmp_path / "snapshot")
    saved.machine.close()
    recording = open_recording(tmp_path / "snapshot")
    timeline = replay(recording, closed=False)
    start_recording(tmp_path / "r", timeline)
    assert left_of(tmp_path / "r") == digest(timeline.machine)
    timeline.machine.close()


def test_so_does_the_file_of_a_history_that_is_recorded_on(tmp_path: Path) -> None:
    timeline = new_timeline()
    start = digest(timeline.machine)
    timeline.run(CHECKPOINTS_AT[0])
    writer = record_on(timeline, tmp_path / "r")
    assert left_of(tmp_path / "r") in (start, digest(timeline.machine))
    writer.flush()
    assert left_of(tmp_path / "r") == digest(timeline.machine)
    timeline.machine.close()


def test_while_media_are_hashed_what_the_guest_does_is_in_the_file(tmp_path: Path, hashing: threading.Event) -> None:
    timeline = floppy_timeline()
    writer = start_recording(tmp_path / "r", timeline)
    for mark in MARKS:
        timeline.run(mark)
        writer.flush()
        assert left_of(tmp_path / "r") == digest(timeline.machine)
    assert set(hashes_in(tmp_path / "r").values()) == {""}
    hashes_follow(writer, timeline, hashing)


def test_so_it_is_with_a_medium_that_came_later(tmp_path: Path, hashing: threading.Event) -> None:
    timeline = floppy_timeline()
    writer = start_recording(tmp_path / "r", timeline)
    timeline.machine.media.add("c.img", Source(bytes(1440 << 10)))
    timeline.run(MARKS[0])
    timeline.push(EjectDisc("floppy0"))
    timeline.push(InsertDisc("floppy0", "c.img"))
    timeline.run(MARKS[1])
    writer.flush()
    assert left_of(tmp_path / "r") == digest(timeline.machine)
    hashes_follow(writer, timeline, hashing)


def test_what_nobody_wants_any_more_is_not_hashed_to_its_end(tmp_path: Path, hashing: threading.Event) -> None:
    timeline = floppy_timeline()
    writer = start_recording(tmp_path / "r", timeline)
    hashing.set()
    writer.abandon()
    assert "hashing" not in "".join(thread.name for thread in threading.enumerate())
    assert not (tmp_path / "r").exists()
    timeline.machine.close()


def test_a_recording_that_leaves_media_out_and_could_not_hash_them_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanished(source: Contents, most: int | None, is_over: Callable[[], bool]) -> str:
        raise MediumError("a.img: No such device")

    monkeypatch.setattr(known_digests, "content_digest", vanished)
    said: list[NotKeptError] = []
    timeline = floppy_timeline()
    writer = start_recording(tmp_path / "r", timeline, embed=False, on_failure=said.append)
    timeline.run(MARKS[0])
    writer.close()
    assert [one.useless for one in said] == [True]
    assert "a.img: No such device" in str(said[0])
    assert "of no use" in str(said[0])
    assert not (tmp_path / "r").exists()
    timeline.machine.close()
