"""What is written into a qcow2 image is there for QEMU, and `qemu-img check` agrees, whenever the writing ends."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vmdbg.images.test_against_qemu_img import KIB, qemu, random_disk
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import Image, ImageError
from vmdbg.images.opening import open_image

LENGTHS = [512, 512, 4 * KIB, 64 * KIB, 300_032]
CORRUPT = 2
"""What qemu-img check exits with; 3 are leaks, which cost room alone."""


def check(path: Path) -> int:
    done = subprocess.run(["qemu-img", "check", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2, 3), done.stderr
    return done.returncode


class Disk:
    """A qcow2 image of a random make, what is on its disk, and what was when its snapshot was taken."""

    def __init__(self, folder: Path, chance: random.Random, most: int = 6000) -> None:
        self.chance = chance
        self.size = chance.randrange(1, most) * 512
        self.path, source = folder / "disk.qcow2", folder / "source"
        self.content = bytearray(random_disk(chance, self.size))
        source.write_bytes(self.content)
        self.backing = [str(source)] if chance.random() < 0.4 else []
        self.refcount_bits = 16
        options = self._options()
        if self.backing:
            qemu("qemu-img", "create", "-f", "qcow2", *options, "-b", source, "-F", "raw", self.path, self.size)
        else:
            packed = ["-c"] if chance.random() < 0.5 and self.refcount_bits >= 16 else []
            qemu("qemu-img", "convert", *packed, "-O", "qcow2", *options, source, self.path)
        self.snapshot = bytes(self.content) if self.refcount_bits > 1 and chance.random() < 0.5 else None
        if self.snapshot is not None:
            qemu("qemu-img", "snapshot", "-c", "then", self.path)
        assert check(self.path) == 0

    def _options(self) -> list[str]:
        chance = self.chance
        cluster = chance.choice([512, KIB, 4 * KIB, 64 * KIB, 64 * KIB, 2048 * KIB])
        if chance.random() < 0.3:
            return ["-o", f"compat=0.10,cluster_size={cluster}"]
        self.refcount_bits = chance.choice([1, 2, 4, 8, 16, 16, 32, 64])
        kind = chance.choice(["zlib", "zstd"])
        made = f"cluster_size={cluster},refcount_bits={self.refcount_bits},compression_type={kind}"
        return ["-o", f"compat=1.1,{made}"]

    def open(self) -> Image:
        return open_image(str(self.path), writable=True, backing=self.backing)

    def write(self, image: Image) -> None:
        """Something, somewhere."""
        chance = self.chance
        start = chance.randrange(self.size // 512) * 512
        length = min(self.size - start, chance.choice(LENGTHS))
        data = chance.randbytes(length) if chance.random() < 0.8 else bytes(length)
        image.write(start, data)
        self.content[start : start + length] = data

    def assert_as_qemu_reads_it(self, path: Path | None = None) -> None:
        plain = self.path.with_suffix(".plain")
        qemu("qemu-img", "convert", "-O", "raw", path or self.path, plain)
        assert plain.read_bytes() == self.content
        if self.snapshot is not None:
            qemu("qemu-img", "convert", "-O", "raw", "-l", "then", path or self.path, plain)
            assert plain.read_bytes() == self.snapshot


@pytest.mark.parametrize("seed", range(8))
def test_qemu_reads_what_was_written_and_finds_no_fault(tmp_path: Path, seed: int) -> None:
    disk = Disk(tmp_path, random.Random(seed))
    for _ in range(2):
        image = disk.open()
        for _ in range(25):
            disk.write(image)
            if disk.chance.random() < 0.1:
                image.flush()
        assert image.read(0, disk.size) == disk.content
        image.close()
        assert check(disk.path) == 0
        disk.assert_as_qemu_reads_it()
    if disk.chance.random() < 0.5:  # and QEMU goes on with it
        qemu("qemu-io", "-f", "qcow2", "-c", "write -P 9 0 512", disk.path)
        disk.content[:512] = b"\x09" * 512
        assert check(disk.path) == 0
        disk.assert_as_qemu_reads_it()


FLUSHED = -1


class Journal:
    """All that is done to files of the host: an offset and data; a size and None; FLUSHED."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[int, bytes | None]] = []
        write, resize, flush = HostFile.write, HostFile.resize, HostFile.flush

        def noted_write(file: HostFile, offset: int, data: bytes) -> None:
            self.steps.append((offset, bytes(data)))
            write(file, offset, data)

        def noted_resize(file: HostFile, size: int) -> None:
            self.steps.append((size, None))
            resize(file, size)

        def noted_flush(file: HostFile) -> None:
            self.steps.append((FLUSHED, None))
            flush(file)

        monkeypatch.setattr(HostFile, "write", noted_write)
        monkeypatch.setattr(HostFile, "resize", noted_resize)
        monkeypatch.setattr(HostFile, "flush", noted_flush)

    def replayed(self, before: bytes, steps: list[int]) -> bytes:
        """The file once those steps, by number, have been done to it."""
        file = bytearray(before)
        for number in steps:
            offset, data = self.steps[number]
            if data is not None:
                file.extend(bytes(max(0, offset + len(data) - len(file))))
                file[offset : offset + len(data)] = data
            elif offset != FLUSHED:
                file = file[:offset].ljust(offset, b"\0")
        return bytes(file)


@pytest.mark.parametrize("seed", range(4))
def test_a_process_that_dies_leaves_a_whole_image(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path, random.Random(seed + 50), 2000)
    before = disk.path.read_bytes()
    journal, done = Journal(monkeypatch), list[tuple[int, bytes]]()
    image = disk.open()
    for _ in range(12):
        disk.write(image)
        done.append((len(journal.steps), bytes(disk.content)))
    image.close()
    torn = tmp_path / "torn.qcow2"
    at_random = disk.chance.sample(range(len(journal.steps)), min(12, len(journal.steps)))
    for count in sorted({*at_random, *(count for count, _ in done[::3])}):
        torn.write_bytes(journal.replayed(before, list(range(count))))
        assert check(torn) != CORRUPT, f"{count} of {len(journal.steps)} steps"
        for steps, content in done:
            if steps == count:
                disk.content[:] = content
                disk.assert_as_qemu_reads_it(torn)


@pytest.mark.parametrize("seed", range(4))
def test_a_host_that_dies_leaves_a_whole_image(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was not flushed, any of it may have come to the disk."""
    disk = Disk(tmp_path, random.Random(seed + 70), 2000)
    before, origin = disk.path.read_bytes(), bytes(disk.content)
    journal, done = Journal(monkeypatch), [(0, origin)]
    image = disk.open()
    for _ in range(10):
        disk.write(image)
        done.append((len(journal.steps), bytes(disk.content)))
    image.close()
    torn = tmp_path / "torn.qcow2"
    for count in disk.chance.sample(range(1, len(journal.steps) + 1), min(14, len(journal.steps))):
        flushes = [number for number in range(count) if journal.steps[number] == (FLUSHED, None)]
        safe = flushes[-1] if flushes else 0
        kept = [*range(safe), *(number for number in range(safe, count) if disk.chance.random() < 0.5)]
        torn.write_bytes(journal.replayed(before, kept))
        assert check(torn) != CORRUPT, f"{kept} of {count} steps"
        assert_old_where_nothing_was_written(disk, torn, *bounds(done, safe, count))


def bounds(done: list[tuple[int, bytes]], safe: int, count: int) -> tuple[bytes, list[bytes]]:
    """What was on the disk at the last flush, and what it came to be after that."""
    last = max(number for number, (steps, _) in enumerate(done) if steps <= safe)
    end = min((number for number, (steps, _) in enumerate(done) if steps >= count), default=len(done) - 1)
    return done[last][1], [content for _, content in done[last + 1 : end + 1]]


def assert_old_where_nothing_was_written(disk: Disk, path: Path, old: bytes, later: list[bytes]) -> None:
    plain = path.with_suffix(".plain")
    qemu("qemu-img", "convert", "-O", "raw", path, plain)
    found = plain.read_bytes()
    for start in range(0, disk.size, 512):
        sector = slice(start, start + 512)
        if all(content[sector] == old[sector] for content in later):
            assert found[sector] == old[sector], f"sector {start // 512}"


class Fault:
    """A host whose disk is full now and then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self.chance, self.rate = chance, 0.0
        for name in ("write", "resize", "flush"):
            self._wrap(monkeypatch, name)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        original = getattr(HostFile, name)

        def failing(file: HostFile, *arguments: object) -> None:
            if self.chance.random() < self.rate:
                raise ImageError("the host's disk is full")
            original(file, *arguments)

        monkeypatch.setattr(HostFile, name, failing)


@pytest.mark.parametrize("seed", range(4))
def test_what_fails_can_be_done_again(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path, random.Random(seed + 90), 2000)
    fault = Fault(monkeypatch, random.Random(seed))
    image = disk.open()
    for start, data in writes(disk, 15):
        fault.rate, failures = 0.2, 0
        while True:
            try:
                image.write(start, data)
                image.flush()
                break
            except ImageError:
                failures += 1
                fault.rate = 0.2 if failures < 20 else 0.0
        disk.content[start : start + len(data)] = data
    fault.rate = 0.0
    assert image.read(0, disk.size) == disk.content
    image.close()
    assert check(disk.path) != CORRUPT
    disk.assert_as_qemu_reads_it()


def writes(disk: Disk, count: int) -> Iterator[tuple[int, bytes]]:
    for _ in range(count):
        start = disk.chance.randrange(disk.size // 512) * 512
        yield start, disk.chance.randbytes(min(disk.size - start, disk.chance.choice(LENGTHS)))


def test_dirty_bitmaps_of_qemu_are_no_longer_believed(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", path, "1M")
    qemu("qemu-img", "bitmap", "--add", path, "backup")
    image = open_image(str(path), writable=True)
    image.write(0, b"x" * 512)
    image.close()
    assert int.from_bytes(path.read_bytes()[88:96], "big") == 0
    assert check(path) != CORRUPT


def test_two_writers_of_one_image_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", path, "1M")
    image = open_image(str(path), writable=True)
    for writable in (True, False):
        with pytest.raises(ImageError, match="is open here already, to be written"):
            open_image(str(path), writable=writable)
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 512", str(path)], capture_output=True, check=False)
    assert b"lock" in done.stderr
    image.close()
    reader = open_image(str(path))
    with pytest.raises(ImageError, match="is open here already, to be read"):
        open_image(str(path), writable=True)
    reader.close()


def test_what_others_write_meanwhile_is_found(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096))
    image = open_image(str(path), writable=True)
    image.write(0, b"x" * 512)
    with path.open("ab") as file:
        file.write(bytes(512))
    with pytest.raises(ImageError, match="it had 4096 bytes and has 4608"):
        image.write(512, b"y" * 512)
    image.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_more(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, test in enumerate(
        (test_a_process_that_dies_leaves_a_whole_image, test_a_host_that_dies_leaves_a_whole_image)
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patched:
            test(folder, seed, patched)
    test_qemu_reads_what_was_written_and_finds_no_fault(tmp_path, seed)
