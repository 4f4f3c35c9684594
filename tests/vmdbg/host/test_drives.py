"""What `--disk` and its kin say, how it is refused, and what becomes of the image when the run ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.disk.cd_unit import EjectDisc
from devices.disk.drive import DriveBus, DriveKind
from tests.determinism.test_disks import CONTENT, END, SECTORS
from tests.guests.build import assemble
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg
from vmdbg.api import launch
from vmdbg.errors import UserError
from vmdbg.host.drives import DriveChoice, open_drives, parse_drive
from vmdbg.host.write_back import settle_images
from vmdbg.images.formats import Format
from vmdbg.machine.media import Media

GUEST = Path(__file__).parents[2] / "determinism" / "disk.asm"


def test_what_can_be_said() -> None:
    assert parse_drive(DriveKind.DISK, "a,,b.img,bus=virtio,format=raw,snapshot=off,serial=A 1") == DriveChoice(
        DriveKind.DISK, "a,b.img", DriveBus.VIRTIO, Format.RAW, True, "A 1"
    )
    assert parse_drive(DriveKind.DISK, "x,backing=y,backing=z").backing == ("y", "z")
    assert parse_drive(DriveKind.FLOPPY, "x,readonly=on").read_only
    assert parse_drive(DriveKind.CD, "x.iso,bus=ahci").bus is DriveBus.AHCI


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (DriveKind.DISK, "", "--disk names no file"),
        (DriveKind.DISK, "x,nonsense", "--disk has no option 'nonsense'; it has: bus, format"),
        (DriveKind.DISK, "x,speed=9", "--disk has no option 'speed'"),
        (DriveKind.DISK, "x,bus=scsi", "--disk bus is one of ide, virtio"),
        (DriveKind.DISK, "x,format=vmdk", "--disk format is one of raw, qcow2, not 'vmdk'"),
        (DriveKind.DISK, "x,snapshot=no", "snapshot is on .* or off, not 'no'"),
        (DriveKind.DISK, "x,serial=" + "9" * 21, "at most 20 printable"),
        (DriveKind.CD, "x,snapshot=off", "--cdrom has no option 'snapshot'"),
        (DriveKind.DISK, "x,bus=floppy", "--disk bus is one of ide, virtio, ahci, nvme, not 'floppy'"),
        (DriveKind.DISK, "x,bus=ide,bus=ide", "--disk has bus twice: give it once"),
        (DriveKind.FLOPPY, "x,readonly=on,readonly=off", "--floppy has readonly twice"),
        (DriveKind.FLOPPY, "x,readonly=maybe", r"readonly is on \(the guest cannot write\) or off, not 'maybe'"),
        (DriveKind.FLOPPY, "x,bus=ide", "--floppy has no option 'bus'"),
    ],
)
def test_what_cannot(kind: DriveKind, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_drive(kind, text)


def test_names_of_drives_and_media(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    paths = [tmp_path / "disk.img", tmp_path / "one" / "disk.img"]
    for path in paths:
        path.write_bytes(bytes(4096))
    media = Media()
    drives = open_drives([parse_drive(DriveKind.DISK, str(path)) for path in paths], media)
    assert [(drive.name, drive.medium) for drive in drives] == [("disk0", "disk.img"), ("disk1", "disk.img (2)")]
    media.close()


def test_too_many_drives_for_a_bus(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096))
    with pytest.raises(UserError, match="IDE has room for 4 drives, not for 5"):
        launch(disks=[path] * 5)
    with pytest.raises(UserError, match="CDs are at the buses ide and ahci only"):
        launch(cdroms=[f"{path},bus=nvme"])


def test_what_is_no_floppy_disk(tmp_path: Path) -> None:
    path = tmp_path / "large.img"
    path.write_bytes(bytes(3 << 20))
    with pytest.raises(UserError, match=r"large\.img has 6144 sectors .* the largest has 5760; give it with --disk"):
        launch(floppies=[path])
    path.write_bytes(bytes(512))
    with pytest.raises(UserError, match=r"has 1 sectors and the floppy disk 2880.*truncate -s 1474560"):
        launch(floppies=[f"{path},snapshot=off"])
    with pytest.raises(UserError, match="room for 2 floppy drives, not for 3"):
        launch(floppies=[path] * 3)


@pytest.mark.parametrize("snapshot", ["on", "off"])
def test_a_floppy_disk_is_written_only_with_snapshot_off_and_though_it_is_out(tmp_path: Path, snapshot: str) -> None:
    guest, path = tmp_path / "guest.bin", tmp_path / "a.img"
    guest.write_bytes(assemble((GUEST.parent / "floppy.asm").read_text()))
    path.write_bytes(bytes(1440 << 10))
    made = launch(guest, floppies=[f"{path},snapshot={snapshot}"], memory="2M")
    made.run(3_000_000)
    made.debugger.timeline.push(EjectDisc("floppy0"))
    made.run(3_100_000)
    words = list(settle_images(made.debugger.machine, past=False))
    assert [word.startswith("floppy0: ") for word in words] == [True] * (snapshot == "off")
    assert (path.read_bytes() == bytes(1440 << 10)) == (snapshot == "on")
    made.seek("start")
    made.fork()
    assert path.read_bytes() == bytes(1440 << 10)
    made.close()


@pytest.mark.parametrize("snapshot", ["on", "off"])
def test_the_image_is_written_only_with_snapshot_off(tmp_path: Path, snapshot: str) -> None:
    guest, path = tmp_path / "guest.bin", tmp_path / "disk.img"
    guest.write_bytes(assemble(GUEST.read_text()))
    path.write_bytes(CONTENT)
    made = launch(guest, disks=[path], memory="2M")
    made.run(END)
    expected = made.debugger.machine.pc.devices["disk0"].read(0, SECTORS)
    made.close()
    assert path.read_bytes() == CONTENT
    done = vmdbg("run", str(guest), "--memory", "2M", "--disk", f"{path},snapshot={snapshot}", "--stop-at", str(END))
    assert done.returncode == 0, errors(done)
    if snapshot == "on":
        assert path.read_bytes() == CONTENT
    else:
        assert "bytes written to disk.img" in errors(done)
        assert path.read_bytes() == expected
