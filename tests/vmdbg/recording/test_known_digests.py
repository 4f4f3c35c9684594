import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vmdbg
from devices.disk.medium import SECTOR, MediumError
from tests.guests.build import sample_kernel
from vmdbg.images.formats import Format
from vmdbg.images.opening import open_image
from vmdbg.images.sectors import ImageSectors
from vmdbg.recording import known_digests
from vmdbg.recording.blocks import Block, Kind, read_payload, scan
from vmdbg.recording.known_digests import SETTLED_SECONDS, KnownDigests
from vmdbg.recording.media_digest import PIECE, content_digest
from vmdbg.recording.records import MediumRecord, decode

SIZE = 2 * PIECE + 5 * SECTOR
Change = Callable[[Path, random.Random], None]


class Watched(ImageSectors):
    """Knows whether it was read."""

    was_read = False

    def read(self, sector: int, count: int) -> bytes:
        self.was_read = True
        return super().read(sector, count)


@contextmanager
def opened(path: Path, *backing: Path, writable: bool = False) -> Iterator[Watched]:
    source = Watched(open_image(str(path), writable=writable, backing=tuple(map(str, backing))))
    try:
        yield source
    finally:
        source.close()


def much_later() -> int:
    return time.time_ns() + 3600 * 10**9


def times(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def told(change: Change) -> Change:
    """The change, made again until the file system's clock tells it from what was before, as an hour would."""

    def made(path: Path, chance: random.Random) -> None:
        before, deadline = times(path), time.monotonic() + 20
        while True:
            change(path, chance)
            if times(path) != before:
                return
            assert time.monotonic() < deadline

    return made


@told
def write_in_place(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(chance.randrange(path.stat().st_size))
        file.write(chance.randbytes(chance.randrange(1, 4)))


@told
def write_and_hide_it(path: Path, chance: random.Random) -> None:
    """Its size and the time of its last change are as before."""
    then = path.stat()
    write_in_place(path, chance)
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))


@told
def lengthen(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(SECTOR))


@told
def shorten(path: Path, chance: random.Random) -> None:
    os.truncate(path, max(SECTOR, path.stat().st_size - SECTOR * chance.randrange(1, 3)))


@told
def replace(path: Path, chance: random.Random) -> None:
    other = path.with_suffix(".new")
    shutil.copy2(path, other)
    write_in_place(other, chance)
    other.replace(path)


@told
def write_the_same(path: Path, _: random.Random) -> None:
    path.write_bytes(path.read_bytes())


def leave_alone(_path: Path, _chance: random.Random) -> None:
    pass


CHANGES = (write_in_place, write_and_hide_it, lengthen, shorten, replace, write_the_same, leave_alone, leave_alone)


@pytest.mark.parametrize("seed", range(3))
def test_is_that_of_what_is_there_whatever_is_done_to_the_file(tmp_path: Path, seed: int) -> None:
    chance, path, remembered = random.Random(seed), tmp_path / "disk.img", 0
    path.write_bytes(chance.randbytes(SIZE))
    known = KnownDigests(tmp_path / "known", much_later)
    for change in chance.choices(CHANGES, k=25):
        change(path, chance)
        with opened(path) as source:
            found = known.digest(source)
            remembered += not source.was_read
            assert found == content_digest(source)
    assert remembered


def test_is_read_only_once(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * 8192)
    for was_read in (True, False, False):
        with opened(path) as source:
            found = KnownDigests(tmp_path / "known", much_later).digest(source)
            assert source.was_read == was_read
            assert found == content_digest(source)


def test_an_image_that_was_written_lately_is_not_believed_to_stay(tmp_path: Path) -> None:
    path, known = tmp_path / "disk.img", tmp_path / "known"
    path.write_bytes(b"\x01" * SIZE)
    written = max(path.stat().st_mtime_ns, path.stat().st_ctime_ns)
    for seconds, was_read in ((0, True), (SETTLED_SECONDS - 1, True), (SETTLED_SECONDS, True), (0, False)):
        with opened(path) as source:
            KnownDigests(known, lambda seconds=seconds: written + seconds * 10**9).digest(source)
            assert source.was_read == was_read, seconds


def test_a_time_of_the_future_is_not_believed(tmp_path: Path) -> None:
    path, known = tmp_path / "disk.img", KnownDigests(tmp_path / "known")
    path.write_bytes(b"\x01" * SIZE)
    os.utime(path, ns=(0, time.time_ns() + 10**15))
    for _ in range(2):
        with opened(path) as source:
            known.digest(source)
            assert source.was_read


def test_an_image_that_is_written_here_is_always_read(tmp_path: Path) -> None:
    path, known = tmp_path / "disk.img", KnownDigests(tmp_path / "known", much_later)
    path.write_bytes(b"\x01" * SIZE)
    with opened(path, writable=True) as source:
        before = known.digest(source)
        source.write(3, b"\x02" * SECTOR)
        after = known.digest(source)
    assert before != after
    with opened(path) as source:
        assert known.digest(source) == after
        assert source.was_read
        assert known.digest(source) == after


def test_an_image_that_changes_while_it_is_open_is_named_and_not_remembered(tmp_path: Path) -> None:
    path, known = tmp_path / "disk.img", KnownDigests(tmp_path / "known", much_later)
    path.write_bytes(b"\x01" * SIZE)
    with opened(path) as source:
        known.digest(source)
    with opened(path) as source:
        write_in_place(path, random.Random(1))
        with pytest.raises(MediumError, match="has changed since it was opened"):
            known.digest(source)
    with opened(path) as source:
        assert known.digest(source) == content_digest(source)


def test_an_image_that_is_written_while_it_is_hashed_is_not_remembered(tmp_path: Path) -> None:
    """Not even by who hides it, as far as times can."""
    path, known = tmp_path / "disk.img", KnownDigests(tmp_path / "known", much_later)
    path.write_bytes(b"\x01" * SIZE)
    with opened(path) as source:
        read = source.read

        def meddled(sector: int, count: int) -> bytes:
            data = read(sector, count)
            if not sector:
                write_and_hide_it(path, random.Random(1))
            return data

        source.read = meddled  # type: ignore[method-assign]  # this one alone
        known.digest(source)
    with opened(path) as source:
        assert known.digest(source) == content_digest(source)


def test_damaged_entries_are_not_there(tmp_path: Path) -> None:
    chance, path, directory = random.Random(1), tmp_path / "disk.img", tmp_path / "known"
    path.write_bytes(chance.randbytes(PIECE + SECTOR))
    known = KnownDigests(directory, much_later)
    with opened(path) as source:
        right = known.digest(source)
    (entry,) = directory.iterdir()
    whole = entry.read_bytes()
    for _ in range(60):
        data = bytearray(whole[: chance.choice((len(whole), chance.randrange(len(whole))))])
        if len(data) == len(whole):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        entry.write_bytes(data)
        with opened(path) as source:
            assert known.digest(source) == right
            assert source.was_read
    with opened(path) as source:
        assert known.digest(source) == right
        assert not source.was_read


def test_an_entry_of_another_image_says_nothing(tmp_path: Path) -> None:
    known, names = KnownDigests(tmp_path / "known", much_later), ("a.img", "b.img")
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([number + 1]) * SIZE)
        with opened(tmp_path / name) as source:
            known.digest(source)
    first, second = (tmp_path / "known").iterdir()
    first.write_bytes(second.read_bytes())
    for name in names:
        with opened(tmp_path / name) as source:
            assert known.digest(source) == content_digest(source)


def test_what_cannot_be_kept_is_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"\x01" * SIZE)
    (tmp_path / "no-directory").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-directory"))
    for _ in range(2):
        with opened(path) as source:
            assert KnownDigests(clock=much_later).digest(source) == content_digest(source)


def test_nobody_without_a_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    path = tmp_path / "disk.img"
    path.write_bytes(b"\x01" * SIZE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with opened(path) as source:
        assert KnownDigests(clock=much_later).digest(source) == content_digest(source)


def test_what_was_too_much_is_not_remembered(tmp_path: Path) -> None:
    path, known = tmp_path / "disk.img", KnownDigests(tmp_path / "known", much_later)
    path.write_bytes(b"\x01" * SIZE)
    with opened(path) as source:
        assert known.digest(source, most=PIECE) == ""
        assert known.digest(source) == content_digest(source)


def test_the_same_file_in_another_format_is_another_image(tmp_path: Path) -> None:
    path, known = tmp_path / "disk.img", KnownDigests(tmp_path / "known", much_later)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE)], check=True, timeout=60)
    with opened(path) as source:
        known.digest(source)
    plain = Watched(open_image(str(path), Format.RAW))
    assert known.digest(plain) == content_digest(plain)
    assert plain.was_read
    plain.close()


@pytest.mark.parametrize("changed", ["top.qcow2", "middle.qcow2", "base.img"])
def test_files_behind_an_image_count_as_it_does(tmp_path: Path, changed: str) -> None:
    base, middle, top = (tmp_path / name for name in ("base.img", "middle.qcow2", "top.qcow2"))
    base.write_bytes(random.Random(1).randbytes(SIZE))
    for path, behind, form in ((middle, base, "raw"), (top, middle, "qcow2")):
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(behind), "-F", form, str(path)]
        subprocess.run(command, check=True, timeout=60)
    known = KnownDigests(tmp_path / "known", much_later)
    for was_read in (True, False):
        with opened(top, middle, base) as source:
            found = known.digest(source)
            assert source.was_read == was_read
            assert found == content_digest(source)
    before, deadline = times(tmp_path / changed), time.monotonic() + 20
    while times(tmp_path / changed) == before:
        assert time.monotonic() < deadline
        if changed == "base.img":
            write_in_place(base, random.Random(2))
        else:
            (tmp_path / changed).touch()
    with opened(top, middle, base) as source:
        found = known.digest(source)
        assert source.was_read
        assert found == content_digest(source)


@pytest.mark.parametrize("embed", [True, False])
def test_recordings_name_a_disk_by_what_is_in_it_when_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embed: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(known_digests, "SETTLED_SECONDS", 0)
    disk, chance = tmp_path / "disk.img", random.Random(embed)
    disk.write_bytes(chance.randbytes(SIZE))
    for number, change in enumerate((leave_alone, leave_alone, write_in_place, leave_alone)):
        change(disk, chance)
        path = tmp_path / f"{number}.vmdbg"
        with vmdbg.launch(sample_kernel(), disks=[str(disk)], record=path, embed=embed):
            pass
        with path.open("rb") as file, opened(disk) as source:
            records = [
                decode(read_payload(file, block), MediumRecord, "a medium")
                for block in scan(file, path.stat().st_size)
                if isinstance(block, Block) and block.kind == Kind.MEDIUM
            ]
            assert records[-1].digest == content_digest(source)
    assert len(list((tmp_path / "vmdbg" / "images").iterdir())) == 2
