"""Images under histories of disks are what a list of writes says, whatever is done to the history and to the images."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.disk.floppy_discs import lengthened
from devices.disk.medium import SECTOR, MediumError
from devices.disk.overlay import PAGE, SECTORS, Overlay, page_count
from tests.vmdbg.images.test_against_qemu_img import qemu, random_disk
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import ImageError
from vmdbg.images.opening import open_image
from vmdbg.images.sectors import ImageSectors
from vmdbg.machine.following import ImageFollower, write_image
from vmdbg.machine.media import Media
from vmdbg.session import disks


class Bytes:
    """devices.seam.Pages."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, size: int) -> bytes:
        assert offset + size <= len(self.data)
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= len(self.data)
        self.data[offset : offset + len(data)] = data


@dataclass(frozen=True, slots=True)
class Change:
    """What the guest does to its disk at a tick: a write, or a discard where there is no data."""

    tick: int
    sector: int
    data: bytes
    discarded: int = 0


@dataclass(slots=True)
class Instant:
    """After some changes: what is on the disk, and the state of the overlay."""

    disk: bytes
    pages: bytes
    marks: bytes


class Fault:
    """A host whose disk is full now and then, in the middle of a write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self.rate = 0.0
        write = HostFile.write

        def failing(file: HostFile, offset: int, data: bytes | memoryview) -> None:
            if chance.random() < self.rate:
                end = (offset + chance.randrange(len(data))) // SECTOR * SECTOR
                write(file, offset, data[: max(0, end - offset)])
                raise ImageError("the host's disk is full")
            write(file, offset, data)

        monkeypatch.setattr(HostFile, "write", failing)


def chain(chance: random.Random, folder: Path, size: int) -> tuple[Path, list[str]]:
    """An image of a random kind with a disk of whole sectors, and what is behind it."""
    source, path = folder / "source.img", folder / "disk.qcow2"
    source.write_bytes(random_disk(chance, size))
    options = f"compat={chance.choice(['0.10', '1.1'])},cluster_size={chance.choice([512, 4096, 65536])}"
    match chance.randrange(4):
        case 0:
            return source, []
        case 1:
            qemu("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, source, path)
            return path, []
        case 2:
            qemu("qemu-img", "create", "-f", "qcow2", "-o", options, "-b", source, "-F", "raw", path, size)
            return path, [str(source)]
    middle = folder / "middle.qcow2"
    smaller = max(SECTOR, size - chance.randrange(100) * SECTOR)
    qemu("qemu-img", "create", "-f", "qcow2", "-b", source, "-F", "raw", middle, smaller)
    qemu("qemu-img", "create", "-f", "qcow2", "-o", options, "-b", middle, "-F", "qcow2", path, size)
    return path, [str(middle), str(source)]


@dataclass(slots=True)
class Guest:
    """A disk that is written at ticks, and goes back and forth; `beyond` sectors of it are behind its image."""

    chance: random.Random
    path: Path
    backing: list[str]
    follows: bool
    beyond: int = 0
    media: Media = field(init=False)
    overlay: Overlay = field(init=False)
    pages: Bytes = field(init=False)
    marks: Bytes = field(init=False)
    changes: list[Change] = field(init=False, default_factory=list)
    instants: list[Instant] = field(init=False)
    """instants[n] is after n changes."""
    at: int = field(init=False, default=0)
    tick: int = field(init=False, default=0)
    kept: dict[int, bytes] = field(init=False, default_factory=dict)
    image: bytes = field(init=False)
    """As it should be now."""

    def __post_init__(self) -> None:
        opened = open_image(str(self.path), writable=self.follows, backing=self.backing)
        self.media = Media({"disk": ImageSectors(opened)})
        self.media.now = lambda: self.tick
        self.media.remembers = self.chance.random() < 0.5
        self.media.keeper = lambda _name, number, page: self.kept.update({number: page})
        (medium,) = self.media
        sectors = medium.sectors + self.beyond
        count = page_count(sectors)
        self.pages, self.marks = Bytes(count * PAGE), Bytes(-(-count // 8))
        self.overlay = Overlay(lengthened(medium, sectors), self.pages, self.marks)
        if self.follows:
            medium.follower = self.overlay.follower = ImageFollower("disk0", medium, self.overlay, self.media.now)
        self.image = opened.read(0, opened.size)
        self.instants = [Instant(self.image + bytes(self.beyond * SECTOR), *self._state())]

    def _state(self) -> tuple[bytes, bytes]:
        return bytes(self.pages.data), bytes(self.marks.data)

    @property
    def disk(self) -> bytes:
        return self.instants[self.at].disk

    def do(self, change: Change) -> None:
        """The guest does it, for the first time or again. Raises MediumError: it is the instant before then."""
        before, self.tick = self.tick, change.tick
        try:
            if change.discarded:
                self.overlay.discard(change.sector, change.discarded)
            else:
                self.overlay.write(change.sector, change.data)
        except MediumError:
            self.tick = before
            raise
        self.at += 1
        if self.chance.random() < 0.2:
            self.overlay.flush()

    def changed(self, change: Change) -> bytes:
        """The disk after it, by its definition."""
        disk = bytearray(self.disk)
        disk[change.sector * SECTOR : change.sector * SECTOR + len(change.data)] = change.data
        if change.discarded:
            for page in range(-(-change.sector // SECTORS), (change.sector + change.discarded) // SECTORS):
                if self.instants[self.at].marks[page >> 3] >> (page & 7) & 1:
                    disk[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
        return bytes(disk)

    def goes_on(self) -> None:
        """What comes next in the history, or something new at its end. Raises MediumError, and nothing has happened."""
        if self.at < len(self.changes):
            self.do(self.changes[self.at])
            return
        change = self._new_change()
        after = self.changed(change)
        self.do(change)
        self.changes.append(change)
        self.instants.append(Instant(after, *self._state()))
        if self.follows:
            self.image = after

    def _new_change(self) -> Change:
        chance, sectors = self.chance, self.overlay.sectors
        first = chance.randrange(sectors)
        count = min(sectors - first, chance.choice([1, 1, 3, 8, 17, 300]))
        tick = self.tick + chance.randrange(1, 100)
        if chance.random() < 0.2:
            return Change(tick, first, b"", count)
        return Change(tick, first, chance.choice([chance.randbytes, bytes])(count * SECTOR))

    def goes_back(self) -> None:
        """As a debugger does it: some state of before is put back, and what came then is done again."""
        to = self.chance.randrange(len(self.instants))
        self.at = self.chance.randrange(to + 1)
        self.tick = self.changes[self.at - 1].tick if self.at else 0
        self.pages.data[:], self.marks.data[:] = self.instants[self.at].pages, self.instants[self.at].marks
        while self.at < to:
            self.do(self.changes[self.at])

    def forks(self) -> None:
        """What comes after this is dropped. Raises MediumError, and it can be done again."""
        self.media.take_back()
        del self.changes[self.at :], self.instants[self.at + 1 :]
        if self.follows:
            self.image = self.disk

    def commits(self) -> None:
        """Raises MediumError, and it can be done again."""
        (medium,) = self.media
        write_image(medium, self.overlay)
        self.image = self.disk[: len(self.image)]

    def check(self, scratch: Path) -> None:
        first = self.chance.randrange(self.overlay.sectors)
        count = self.chance.randrange(1, self.overlay.sectors - first + 1)
        piece = slice(first * SECTOR, (first + count) * SECTOR)
        (medium,) = self.media
        seen = len(self.kept)
        shown = self.overlay.over(lengthened(medium.looked_at, self.overlay.sectors))
        assert shown.read(first, count) == self.disk[piece]
        assert medium.image.read(0, medium.sectors) == self.image
        if self.chance.random() < 0.1:
            scratch.unlink(missing_ok=True)
            assert disks.export(shown, scratch, None) == len(self.disk)
            assert scratch.read_bytes() == self.disk
        assert len(self.kept) == seen, "to look is not to read"
        if self.chance.random() < 0.3:
            assert self.overlay.read(first, count) == self.disk[piece]


def play(guest: Guest, fault: Fault, folder: Path, steps: int) -> None:
    origin = guest.disk
    for _ in range(steps):
        kinds = ["goes_on"] * 6 + ["goes_back", "forks"] + ([] if guest.follows else ["commits"])
        does = guest.chance.choice(kinds)
        fault.rate = guest.chance.choice([0.0, 0.0, 0.3])
        try:
            getattr(guest, does)()
        except MediumError:
            fault.rate = 0.0
            again = guest.chance.choice(["forks", "back and forks"] if guest.follows else ["commits"])
            if again.startswith("back"):
                guest.goes_back()
            getattr(guest, again.split()[-1])()
        fault.rate = 0.0
        guest.check(folder / "exported.img")
    for number, page in guest.kept.items():
        assert page == origin[number * PAGE : (number + 1) * PAGE].ljust(PAGE, b"\0"), "of the history's beginning"
    guest.media.close()


def assert_for_qemu(path: Path, image: bytes) -> None:
    plain = path.with_suffix(".plain")
    form = "raw" if path.suffix == ".img" else "qcow2"
    qemu("qemu-img", "convert", "-f", form, "-O", "raw", path, plain)
    assert plain.read_bytes() == image
    if form == "qcow2":
        done = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3), done.stdout


@pytest.mark.parametrize("seed", range(8))
def test_images_and_histories(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    path, backing = chain(chance, tmp_path, chance.randrange(1, 1200) * SECTOR)
    behind = {name: Path(name).read_bytes() for name in backing}
    follows = bool(seed & 1)
    guest = Guest(chance, path, backing, follows, 0 if follows else chance.choice([0, 0, 5, 13]))
    play(guest, Fault(monkeypatch, chance), tmp_path, 60)
    assert_for_qemu(path, guest.image)
    for name, data in behind.items():
        assert Path(name).read_bytes() == data


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_more(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    test_images_and_histories(tmp_path, seed, monkeypatch)
