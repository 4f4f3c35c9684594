"""`eject` and `insert`: discs change as recorded inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devices.disk.cd_unit import CdUnit
from devices.disk.drive import Drive, DriveBus, DriveKind
from tests.determinism.test_disks import Source, disk_origin
from vmdbg.commands import catalog
from vmdbg.commands.devices import disc as module
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.recording.replay import replay_file
from vmdbg.recording.writer import start_recording
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

DISC = b"disc" * 512 * 20


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """With a disk and an empty CD drive, and the image of a disc in the directory."""
    monkeypatch.chdir(tmp_path)
    Path("debian.iso").write_bytes(DISC)
    origin = disk_origin(Source())
    drive = Drive("cd0", DriveKind.CD, DriveBus.IDE, "", 0, "CD1")
    origin = replace(origin, config=replace(origin.config, drives=(*origin.config.drives, drive)))
    timeline = Timeline(origin.machine(), origin=origin)
    made = Session(Debugger(timeline), catalog.commands(), allowed=~Effect.NONE)
    yield made
    made.debugger.close()


def unit(timeline: Timeline) -> CdUnit:
    found = timeline.machine.pc.devices["cd0"]
    assert isinstance(found, CdUnit)
    return found


def test_examples(session: Session) -> None:
    for name in ("insert", "eject"):
        (command,) = [one for one in catalog.commands() if one.name == name]
        assert command.function.__module__ == module.__name__
        for example in command.examples:
            if example == "eject cd0 --force":
                session.run("insert cd0 debian.iso")
                session.run("stepi")
            session.run(example)
            session.run("stepi")


def test_a_disc_comes_and_goes_and_every_replay_has_it(session: Session, tmp_path: Path) -> None:
    timeline = session.debugger.timeline
    writer = start_recording(tmp_path / "r.vmdbg", timeline)
    timeline.run(Tick(100_000))
    assert "debian.iso is in" in session.execute("insert cd0 debian.iso")
    timeline.run(Tick(200_000))
    drive = unit(timeline)
    assert drive.medium is not None
    assert drive.medium.read(0, 4) == DISC[:2048]
    assert "debian.iso (2) is in" in session.execute("insert cd0 debian.iso")
    timeline.run(Tick(300_000))
    assert "is out" in session.execute("eject")
    timeline.run(Tick(400_000))
    assert drive.medium is None
    end = digest(timeline.machine)
    writer.close()
    Path("debian.iso").unlink()
    again = replay_file(tmp_path / "r.vmdbg")
    again.run(Tick(200_000))
    medium = unit(again).medium
    assert medium is not None
    assert medium.read(0, 4) == DISC[:2048]
    again.run(Tick(400_000))
    assert digest(again.machine) == end
    again.machine.close()


def test_a_locked_drive_is_asked_for(session: Session) -> None:
    session.run("insert cd0 debian.iso")
    session.run("stepi")
    drive = unit(session.debugger.timeline)
    drive.lock(True)
    assert "is asked to give debian.iso" in session.execute("eject cd0")
    session.run("stepi")
    assert drive.medium is not None
    session.run("eject cd0 --force")
    session.run("stepi")
    assert drive.medium is None


def test_what_cannot_be(session: Session, live: Session) -> None:
    for line, words in (
        ("eject", "there is no disc in cd0"),
        ("eject cd7", "there are: cd0"),
        ("insert cd0 nothing.iso", "there is no image"),
        ("insert disk0 debian.iso", "there is no CD drive 'disk0'"),
    ):
        with pytest.raises(UserError, match=words):
            session.run(line)
    assert "this machine has no CD drive" in live.execute("eject")
    session.debugger.timeline.run(Tick(100_000))
    session.run("goto start")
    with pytest.raises(UserError, match="the past"):
        session.run("insert cd0 debian.iso")
    assert [one.name for one in session.debugger.machine.media] == ["disk.img"]
