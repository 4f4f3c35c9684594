"""`eject` and `insert`: discs change as recorded inputs."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import vmdbg
from devices.disk.cd_unit import CdUnit
from devices.disk.drive import Drive, DriveBus, DriveKind
from tests.determinism.test_disks import Source, disk_origin
from tests.determinism.test_floppies import floppy_origin
from tests.vmdbg.images.test_against_qemu_img import qemu
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


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_of_several_changes_at_one_instant_is_so_once_the_guest_goes_on(
    session: Session, seed: int
) -> None:
    """Whatever was asked for before, and not been done yet."""
    chance = random.Random(seed)
    drive, expected = unit(session.debugger.timeline), ""
    for _ in range(60):
        match chance.choice(["insert", "eject", "eject", "force", "step", "lock"]):
            case "insert":
                words = session.execute("insert cd0 debian.iso")
                expected = words.partition(": ")[2].partition(" is in as soon as")[0]
            case "step":
                session.run("stepi")
                assert drive.save().medium == expected
            case "lock":
                session.run("stepi")
                drive.lock(not drive.locked)
            case how:
                line = "eject cd0 --force" if how == "force" else "eject"
                if not expected:
                    assert "there is no disc in cd0" in session.execute(line)
                elif drive.locked and how != "force":
                    assert f"is asked to give {expected};" in session.execute(line)
                else:
                    assert f"{expected} is out as soon as" in session.execute(line)
                    expected = ""


def test_what_cannot_be(session: Session, live: Session) -> None:
    for line, words in (
        ("eject", "there is no disc in cd0"),
        ("eject cd7", "there are: cd0"),
        ("insert cd0 nothing.iso", "there is no image"),
        ("insert disk0 debian.iso", "there is no drive 'disk0'"),
        ("insert cd0 debian.iso --read-only", "--read-only is for floppy disks"),
    ):
        with pytest.raises(UserError, match=words):
            session.run(line)
    assert "this machine has no drive whose disc can be changed" in live.execute("eject")
    session.debugger.timeline.run(Tick(100_000))
    session.run("goto start")
    with pytest.raises(UserError, match="the past"):
        session.run("insert cd0 debian.iso")
    assert [one.name for one in session.debugger.machine.media] == ["disk.img"]


@pytest.fixture
def with_floppy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.chdir(tmp_path)
    Path("c.img").write_bytes(b"disk" * 128 * 2880)
    Path("small.img").write_bytes(bytes(720 << 10))
    Path("dos.img").write_bytes(bytes(1200 << 10))
    timeline = Timeline(floppy_origin().machine())
    made = Session(Debugger(timeline), catalog.commands(), allowed=~Effect.NONE)
    yield made
    made.debugger.close()


def test_floppy_disks_change_and_keep_what_was_written(with_floppy: Session) -> None:
    session = with_floppy
    assert "a.img  1,474,560" in session.execute("disk")
    session.run("eject")
    session.run("stepi")
    assert "no disk" in session.execute("disk")
    assert "there is no disk in floppy0: `insert floppy0 FILE`" in session.execute("disk read 0")
    assert "c.img is in" in session.execute("insert floppy0 c.img")
    session.run("stepi")
    assert "64 69 73 6b" in session.execute("disk read 2879")
    drive = session.debugger.machine.pc.devices["floppy0"]
    drive.overlay.write(2879, b"w" * 512)
    assert "small.img is in" in session.execute("insert floppy0 small.img --read-only")
    session.run("stepi")
    assert drive.read_only
    assert "sectors 0 to 1439" in session.execute("disk read 2879")
    assert "c.img is in" in session.execute("insert floppy0 c.img")
    session.run("stepi")
    assert not drive.read_only
    assert "77 77 77 77" in session.execute("disk read 2879")
    session.run("disk export out.img")
    assert Path("out.img").read_bytes() == b"disk" * 128 * 2879 + b"w" * 512
    assert "4,096 bytes written" in session.execute("disk commit")
    assert Path("c.img").read_bytes() == Path("out.img").read_bytes()


def test_what_no_floppy_drive_takes(with_floppy: Session) -> None:
    session = with_floppy
    with pytest.raises(UserError, match=r"a disk of 1200 KiB is not for floppy0, which is a drive for 3\.5"):
        session.run("insert floppy0 dos.img")
    Path("dos.img").write_bytes(bytes(3 << 20))
    with pytest.raises(UserError, match="no floppy disk has"):
        session.run("insert floppy0 dos.img")
    assert [one.name for one in session.debugger.machine.media] == ["a.img", "b.img"]


def test_an_image_that_changed_is_another_disk(with_floppy: Session) -> None:
    session = with_floppy
    assert "small.img is in" in session.execute("insert floppy0 small.img")
    session.run("stepi")
    Path("small.img").write_bytes(b"x" * (720 << 10))
    assert "small.img (2) is in" in session.execute("insert floppy0 small.img")


def test_differences_are_of_the_disk_that_is_in(with_floppy: Session) -> None:
    session = with_floppy
    session.debugger.timeline.run(Tick(3_000_000))
    told = session.execute("disk diff start")
    assert "sectors of floppy0 differ" in told
    assert not told.startswith("0 ")


@pytest.fixture
def boot_sector(tmp_path: Path) -> Path:
    """A guest that does nothing."""
    path = tmp_path / "guest.bin"
    path.write_bytes(b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa")
    return path


@pytest.mark.parametrize("option", ["", ",snapshot=off"])
def test_a_disk_whose_image_is_written_comes_again(tmp_path: Path, boot_sector: Path, option: str) -> None:
    """Nobody opens a second time what is open to be written; it is in the drive's reach already."""
    path = tmp_path / "f.img"
    path.write_bytes(bytes(1440 << 10))
    with vmdbg.launch(boot_sector, floppies=[f"{path}{option}"], memory="2M") as guest:
        drive = guest.debugger.machine.pc.devices["floppy0"]
        drive.overlay.write(3, b"w" * 512)
        if not option:
            guest.execute("disk commit")
        guest.run(5)
        guest.execute("eject")
        guest.run(5)
        assert "floppy0: f.img is in" in guest.execute(f"insert floppy0 {path}")
        guest.run(5)
        assert drive.overlay.read(2, 3) == bytes(512) + b"w" * 512 + bytes(512)
        drive.overlay.write(4, b"x" * 512)
        if not option:
            guest.execute("disk commit")
    assert path.read_bytes()[1024:3072] == bytes(512) + b"w" * 512 + b"x" * 512 + bytes(512)


@pytest.mark.parametrize(("sectors", "written"), [(1001, 1000), (1001, 1001), (1001, 1007), (1001, 1008), (1000, 1000)])
def test_what_is_behind_the_end_of_an_image_is_not_lost_unsaid(
    tmp_path: Path, boot_sector: Path, sectors: int, written: int
) -> None:
    path = tmp_path / "f.img"
    path.write_bytes(b"i" * (sectors * 512))
    with vmdbg.launch(boot_sector, floppies=[path], memory="2M") as guest:
        overlay = guest.debugger.machine.pc.devices["floppy0"].overlay
        overlay.write(sectors - 1, bytes(512))
        overlay.write(sectors, bytes(512))
        guest.execute("disk commit")
        overlay.write(written, b"w" * 512)
        if written < sectors:
            guest.execute("disk commit")
        else:
            with pytest.raises(UserError, match=f"ends at sector {sectors}, and what the disk has behind it"):
                guest.execute("disk commit")
    assert path.read_bytes()[(sectors - 1) * 512 :] == (b"w" if written < sectors else b"\0") * 512


def test_a_backing_file_is_asked_for_as_it_is_given(
    tmp_path: Path, boot_sector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its path from here: images name it from where they are."""
    monkeypatch.chdir(tmp_path)
    Path("a b").mkdir()
    qemu("qemu-img", "create", "-f", "qcow2", "a b/c,d.qcow2", "1440K")
    qemu("qemu-img", "create", "-f", "qcow2", "-b", "c,d.qcow2", "-F", "qcow2", "a b/over.qcow2")
    with pytest.raises(UserError, match=re.escape("add backing='a b/c,,d.qcow2' if")):
        vmdbg.launch(boot_sector, floppies=["a b/over.qcow2"], memory="2M")
    with vmdbg.launch(boot_sector, floppies=["a b/over.qcow2,backing=a b/c,,d.qcow2"], memory="2M") as guest:
        guest.execute("eject")
        Path("a b/again.qcow2").write_bytes(Path("a b/over.qcow2").read_bytes())
        with pytest.raises(UserError, match=re.escape("add --backing 'a b/c,d.qcow2' if")):
            guest.execute("insert floppy0 'a b/again.qcow2'")
        assert "again.qcow2 is in" in guest.execute("insert floppy0 'a b/again.qcow2' --backing 'a b/c,d.qcow2'")


def test_a_commit_that_cannot_be_says_what_can(tmp_path: Path, boot_sector: Path) -> None:
    path = tmp_path / "odd.img"
    path.write_bytes(b"o" * 700)
    with vmdbg.launch(boot_sector, disks=[path], memory="2M") as guest:
        with pytest.raises(UserError, match="no whole number of sectors of 512: `disk export` makes"):
            guest.execute("disk commit")
        guest.execute(f"disk export {tmp_path / 'whole.img'}")
    assert (tmp_path / "whole.img").read_bytes() == b"o" * 700 + bytes(324)
