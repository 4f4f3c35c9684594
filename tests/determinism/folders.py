"""A guest that reads a folder of the host's: its past needs the folder no more, its future does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from vmdbg.errors import RecordingError
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay, replay_file
from vmdbg.recording.save import save_recording, save_snapshot
from vmdbg.recording.writer import start_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


def keeps_its_past_without(own: Path, origin: BootOrigin, marks: Sequence[int], expected: Sequence[Digest]) -> None:
    """`own` is the folder of `origin`, which is taken away; `expected` the digests at `marks` with it."""
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.run(Tick(marks[1]))
    timeline.take_checkpoint()
    timeline.run(Tick(marks[2]))
    shutil.rmtree(own)
    for index in (0, 2, 1, 0):
        timeline.seek(Position(Tick(marks[index])))
        assert digest(timeline.machine) == expected[index]
    timeline.fork()
    timeline.run(Tick(marks[2]))
    assert digest(timeline.machine) != expected[2], "the future is that of the folder which is gone"
    timeline.machine.close()


def is_kept_and_goes_on(
    origin: BootOrigin,
    directory: Path,
    marks: Sequence[int],
    expected: Sequence[Digest],
    *,
    refusal: str,
    give: Callable[[Machine], object],
) -> None:
    """Files in `directory` have its past; beyond it `refusal` says what is missing, until `give` gives the folder."""
    path, again, snapshot = (directory / name for name in ("it.vmdbg", "again.vmdbg", "then.vmdbg"))
    timeline = Timeline(origin.machine(), origin=origin)
    writer = start_recording(path, timeline)
    timeline.run(Tick(marks[1]))
    save_snapshot(timeline, snapshot)
    save_recording(timeline, again)
    writer.close()
    timeline.machine.close()
    for file in (path, again):
        timeline = replay_file(file)
        for index in (1, 0):
            timeline.seek(Position(Tick(marks[index])))
            assert digest(timeline.machine) == expected[index]
        timeline.seek(timeline.end)
        timeline.fork()
        with pytest.raises(RecordingError, match=refusal):
            timeline.run(Tick(marks[3]))
        timeline.machine.close()
    for file in (path, snapshot):
        timeline = replay(open_recording(file), closed=False)
        timeline.seek(timeline.end)
        machine = timeline.machine
        give(machine)
        timeline.run(Tick(marks[2]))
        if file == path:
            assert digest(machine) == expected[2]
        machine.close()
