"""`disk`, `disk read`, `disk diff`, `disk export` and `disk commit` on a guest that reads and writes a disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devices.disk.requests import DiskRequest
from tests.determinism.test_disks import CONTENT, END, SECTORS, Source, disk_origin
from vmdbg.commands import catalog
from vmdbg.commands.devices import disk as module
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.images.formats import Format
from vmdbg.images.opening import open_image
from vmdbg.images.sectors import ImageSectors
from vmdbg.machine.digest import digest
from vmdbg.recording.replay import replay_file
from vmdbg.recording.save import save_recording
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


def open_on(source: object, listener: Callable[[DiskRequest], None] = lambda _request: None) -> Session:
    """Half way to the end. Meanwhile the listener is told of requests."""
    origin = disk_origin(source)  # type: ignore[arg-type]  # a Source
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.machine.media.listeners.append(listener)
    for end in (END // 4, END // 3, END // 2):
        timeline.run(Tick(end))
        timeline.take_checkpoint()  # the history index knows what lies before it
    timeline.machine.media.listeners.clear()
    return Session(Debugger(timeline), catalog.commands(), allowed=~Effect.NONE)


@pytest.fixture
def session() -> Iterator[Session]:
    made = open_on(Source())
    yield made
    made.debugger.close()


def test_examples(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = digest(session.debugger.machine)
    for command in catalog.commands():
        if command.function.__module__ == module.__name__ and command.name != "disk commit":
            for example in command.examples:
                session.run(example)
    assert digest(session.debugger.machine) == before
    assert session.debugger.machine.media.find("disk.img")._seen, "of what the guest read alone"


def test_the_list_says_what_is_where(session: Session) -> None:
    shown = session.execute("disk").splitlines()
    assert len(shown) == 2
    drive, bus, what, size, written = shown[1].split()
    assert (drive, bus, what, size) == ("disk0", "ide", "disk.img", f"{SECTORS * 512:,}")
    assert int(written.replace(",", "")) > 0


def test_looking_is_not_reading(session: Session, tmp_path: Path) -> None:
    medium = session.debugger.machine.media.find("disk.img")
    seen = set(medium._seen)
    session.run(f"disk export {tmp_path / 'a.img'}")
    session.run("disk read 0 200")
    assert medium._seen == seen


def test_sectors_differ_where_they_were_written_between_two_instants(session: Session, tmp_path: Path) -> None:
    unit = session.debugger.machine.pc.devices["disk0"]
    now = unit.read(0, SECTORS)
    session.run(f"disk export {tmp_path / 'now.img'}")
    assert (tmp_path / "now.img").read_bytes() == now
    expected = [n for n in range(SECTORS) if now[n * 512 : n * 512 + 512] != CONTENT[n * 512 : n * 512 + 512]]
    found = session.run("disk diff start --limit 1000").data
    runs = found["sectors"] if isinstance(found, dict) else found
    shown = session.execute("disk diff start --limit 1000")
    assert f"{len(expected):,} sectors of disk0 differ" in shown, runs
    session.run("goto start")
    session.run(f"disk export {tmp_path / 'then.img'}")
    assert (tmp_path / "then.img").read_bytes() == CONTENT


def test_a_recording_says_of_which_sectors_it_does_not_know_whether_they_differ(tmp_path: Path) -> None:
    """It has what was on the disk where the guest read that, not where it wrote alone."""
    origin = disk_origin(Source())
    timeline = Timeline(origin.machine(), origin=origin)
    timeline.run(Tick(END))
    save_recording(timeline, tmp_path / "whole")
    live, again = (Session(Debugger(one), catalog.commands()) for one in (timeline, replay_file(tmp_path / "whole")))
    (known,), (fewer, unknown) = numbers(live), numbers(again)
    assert unknown > 0
    assert fewer <= known <= fewer + unknown
    assert f"of {unknown:,} more it is not known" in again.execute("disk diff start end")
    live.debugger.close()
    again.debugger.close()


def numbers(session: Session) -> list[int]:
    """What `disk diff` counts: sectors that differ, and those of which that is not known, if any."""
    shown = session.execute("disk diff start end")
    words = re.findall(r"^ *([\d,]+) sectors of disk0 differ|of ([\d,]+) more it is not known", shown, re.M)
    return [int((one or other).replace(",", "")) for one, other in words]


def test_query_disk_tells_who_moved_a_sector() -> None:
    requests: list[DiskRequest] = []
    session = open_on(Source(), requests.append)
    timeline = session.debugger.timeline
    rows = session.run("query disk").data
    assert [(int(row["position"]), row["sector"], row["count"], row["operation"]) for row in rows] == [
        (one.completed, one.sector, one.count, one.operation) for one in requests
    ]
    assert all(row["latency"] == int(row["position"]) - int(row["submitted"]) for row in rows)
    sector = requests[3].sector
    found = session.run(f"query disk disk0 --sector {sector}").data
    assert found == [row for row in rows if row["sector"] <= sector < row["sector"] + row["count"]]
    assert "there is no drive 'disk9'" in session.execute("query disk disk9")
    session.run(f"goto {rows[0]['position']}")
    assert timeline.machine.media.listeners == []
    session.debugger.close()


def test_reading(session: Session) -> None:
    unit = session.debugger.machine.pc.devices["disk0"]
    written = next(unit.overlay.written())
    assert session.run(f"disk read {written * 8} 2").data == unit.read(written * 8, 2).hex()
    with pytest.raises(UserError, match="has sectors 0 to 999"):
        session.run("disk read 1000")
    with pytest.raises(UserError, match="there are: disk0"):
        session.run("disk read 0 --disk disk7")


def test_commit_changes_the_image_and_no_history(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(CONTENT)
    session = open_on(ImageSectors(open_image(str(path), Format.RAW)))
    timeline, unit = session.debugger.timeline, session.debugger.machine.pc.devices["disk0"]
    now = unit.read(0, SECTORS)
    assert path.read_bytes() == CONTENT
    timeline.run(Tick(END))
    end = digest(timeline.machine)
    timeline.seek(timeline.start)
    timeline.checkpoints.clear()
    timeline.run(Tick(END // 2))
    assert "bytes written to its image" in session.execute("disk commit")
    assert path.read_bytes() == now
    timeline.run(Tick(END))
    assert digest(timeline.machine) == end
    timeline.seek(timeline.start)
    assert unit.read(0, SECTORS) == CONTENT
    session.debugger.close()


@pytest.mark.parametrize("line", ["disk read 5 3", "disk diff start here", "query disk", "catch disk"])
def test_a_drive_is_named_alike_wherever_it_is(session: Session, line: str) -> None:
    spellings = ("--drive disk0", "-d disk0", "--drive 0", "--disk disk0")
    (answer,) = {session.execute(f"{line} {name}") for name in spellings}
    assert "error" not in answer
    for name in ("disk1", "1"):
        assert re.search("there is no (disk|drive) 'disk1'.*; there are: disk0", session.execute(f"{line} -d {name}"))


def test_a_machine_without_a_disk(live: Session) -> None:
    assert "no drives" in live.execute("disk")
    assert live.run("disk").data == []
    assert "this machine has no disk" in live.execute("disk read 0")
