"""Files of archives that were read of media are known by their pages, and come back out of the media."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import random
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.vmdbg.recording.archived import PACKED, file_pages, make_archive, medium_pages, noted_in_goes
from vmdbg.boot.image import Segment
from vmdbg.errors import RecordingError
from vmdbg.recording import archive_file, archives, unpacking
from vmdbg.recording.archives import Archives
from vmdbg.recording.blocks import Block, BlockWriter, Kind, scan
from vmdbg.recording.content import ContentReader, pieces
from vmdbg.recording.cpio import CpioFiles
from vmdbg.recording.page_file import PageFile
from vmdbg.recording.page_packing import PagePacking
from vmdbg.recording.page_records import Archived
from vmdbg.recording.recorded_media import SectorFile
from vmdbg.recording.records import Content, Sectors, SegmentRef, encode
from vmdbg.recording.unpacking import Packing, UnpackingError, packing_at, unpacker
from vmdbg.timeline.pages import Page, page_key
from vmdbg.units import PAGE_SIZE, Physical


def random_files(rng: random.Random, count: int = 12) -> list[bytes]:
    sizes = (0, 1, 3, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, rng.randrange(9 * PAGE_SIZE))
    return [rng.randbytes(rng.choice(sizes)) for _ in range(count)]


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """In pieces of any length."""
    places = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 5, 200))))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.mark.parametrize("seed", range(10))
def test_an_archive_is_gone_through_however_it_comes(seed: int) -> None:
    rng = random.Random(seed)
    files = random_files(rng)
    archive = make_archive(files, rng.choice((b"070701", b"070702")))
    walk, found = CpioFiles(), list[tuple[int, bytes]]()
    for piece in cut(rng, archive):
        found += walk.feed(piece)
    assert walk.ended
    assert [data.ljust(PAGE_SIZE, b"\0") for _, data in found] == file_pages(files)
    assert all(archive[place : place + len(data)] == data for place, data in found)


@pytest.mark.parametrize(
    "data",
    [
        b"070703" + b"0" * 200,
        b"070701" + b"0" * 88 + b"FFFFFFFF" + b"0" * 200,
        b"070701" + b"0" * 48 + b"-1234567" + b"0" * 32 + b"00000002" + b"0" * 100,
        b"070701" + b"0" * 48 + b"zzzzzzzz" + b"0" * 200,
        b"070701" + b"0" * 300,
        bytes(500),
    ],
)
def test_what_is_no_archive_ends_at_once(data: bytes) -> None:
    walk = CpioFiles()
    assert list(walk.feed(data)) == []
    assert walk.ended


@pytest.mark.parametrize("packing", [Packing.GZIP, Packing.XZ, Packing.ZSTD])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_unpacked_however_it_comes(packing: Packing, seed: int) -> None:
    rng = random.Random(seed)
    data = rng.choice((rng.randbytes(300_000), bytes(3_000_000), b"", rng.randbytes(1000) * 500))
    packed = PACKED[packing.name](data)
    assert packing_at(b"??" + packed, 2) is packing
    one, out = unpacker(packing), b""
    for piece in cut(rng, packed):
        out += b"".join(one.feed(piece))
    assert out == data
    assert one.ended
    assert b"".join(one.feed(b"more")) == b""


@pytest.mark.parametrize("seed", range(8))
def test_a_gzip_file_may_say_much_of_itself(seed: int) -> None:
    """RFC 1952, 2.3: it may have more fields than Python's gzip writes."""
    rng = random.Random(seed)
    extra, name, comment, check = (rng.random() < 0.5 for _ in range(4))
    header = bytearray(gzip.compress(b"")[:10])
    header[3] = extra << 2 | name << 3 | comment << 4 | check << 1
    header += struct.pack("<H", 700) + rng.randbytes(700) if extra else b""
    header += b"mkinitramfs\0" if name else b""
    header += b"made by nobody\0" if comment else b""
    header += b"??" if check else b""
    data = rng.randbytes(5000)
    one = unpacker(Packing.GZIP)
    assert b"".join(out for piece in cut(rng, header + gzip.compress(data)[10:]) for out in one.feed(piece)) == data
    assert one.ended


@pytest.mark.parametrize("seed", range(40))
def test_both_ways_to_inflate_give_the_same_bytes_cut_alike(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged or not: a recording may be written where there is zlib-ng, and read where there is only zlib."""
    pytest.importorskip("zlib_ng")
    rng = random.Random(seed)
    data = rng.choice((rng.randbytes(60_000), bytes(900_000), rng.randbytes(50) * 3000))
    packed = bytearray(gzip.compress(data, rng.randrange(1, 10)))
    if rng.random() < 0.3:
        packed[rng.randrange(10, len(packed))] ^= 1 << rng.randrange(8)
    rows = cut(rng, bytes(packed))
    quick = [*_outputs(rows)]
    monkeypatch.setattr(unpacking, "_inflater", zlib.decompressobj)
    monkeypatch.setattr(unpacking, "_INFLATER_ERROR", zlib.error)
    assert [*_outputs(rows)] == quick


def _outputs(rows: Sequence[bytes]) -> Iterator[bytes | None]:
    """What comes out after each; None at an error."""
    one = unpacker(Packing.GZIP)
    try:
        for row in rows:
            yield b"".join(one.feed(row))
    except UnpackingError:
        yield None


def test_what_only_begins_like_a_gzip_file_is_given_up() -> None:
    one = unpacker(Packing.GZIP)
    with pytest.raises(UnpackingError):
        list(one.feed(b"\x1f\x8b\x08\x08" + b"x" * (1 << 18)))


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("seed", range(4))
def test_pages_of_files_are_known_once_they_were_read(packing: str, seed: int) -> None:
    """In several goes, other pages between them, from a sector on that is not the first of a page."""
    rng = random.Random(seed)
    files = random_files(rng)
    pages = medium_pages(PACKED[packing](make_archive(files)), 1000, rng.choice((0, 512, 3584)))
    known = Archives()
    for _ in noted_in_goes(known, pages, rng):
        pass
    found = [known.take(page_key(page)) for page in set(file_pages(files)) if any(page)]
    assert all(one is not None and one.pages <= len(pages) for one in found)
    assert known.take(page_key(rng.randbytes(PAGE_SIZE))) is None


class OnDisk:
    """A file of pages that were all read out of an archive on a medium."""

    def __init__(self, path: Path, seed: int, packing: str = "GZIP") -> None:
        rng = random.Random(seed)
        files = [rng.randbytes(rng.randrange(1, 4 * PAGE_SIZE)) for _ in range(30)]
        self.path = path
        self.sectors = medium_pages(PACKED[packing](make_archive(files)), 7, 1024)
        packing_ = PagePacking([])
        packing_.note_sectors("disk", self.sectors)
        pages = [Page(page_key(data), data) for data in file_pages(files)]
        record = {kind: record for kind, record, *_ in packing_.blocks(pages, [None] * len(pages))}[Kind.ARCHIVED]
        assert isinstance(record, Archived)
        self.record = record
        self.kept = {page.key: page.data for page in pages if page.key in record.keys}

    def write(self, *records: Archived, sectors: Sequence[tuple[int, bytes]] | None = None) -> PageFile:
        some = self.sectors if sectors is None else sectors
        numbers = array("Q", (number for number, _ in some)).tobytes()
        self.path.unlink(missing_ok=True)
        with self.path.open("xb", buffering=0) as file:
            writer = BlockWriter(file)
            writer.append(Kind.SECTORS, encode(Sectors("disk", numbers, b"".join(data for _, data in some))))
            for record in records or (self.record,):
                writer.append(Kind.ARCHIVED, encode(record))
        return reader(self.path)


def reader(path: Path, embedded: Sequence[Content] = ()) -> PageFile:
    file = path.open("rb")
    sectors, contents = SectorFile(file), ContentReader()
    for piece in embedded:
        contents.add(piece)
    pages = PageFile(file, sectors, contents)
    for block in scan(file, path.stat().st_size):
        assert isinstance(block, Block)
        (sectors if block.kind == Kind.SECTORS else pages).add(block)
    return pages


def page_or_words(pages: PageFile, key: bytes) -> bytes | str:
    """The page; "" if it is refused in words."""
    try:
        return pages.page(key)
    except RecordingError as error:
        return "" if str(error).isprintable() else str(error)


@pytest.mark.parametrize("packing", PACKED)
def test_pages_come_out_of_the_medium_in_any_order(packing: str, tmp_path: Path) -> None:
    disk = OnDisk(tmp_path / "file", 1, packing)
    pages = disk.write()
    keys = list(disk.kept)
    random.Random(2).shuffle(keys)
    assert all(pages.page(key) == disk.kept[key] for key in keys)
    assert {keys[index]: data for index, data in pages.pages(keys)} == disk.kept
    pages.close()


def test_pages_come_out_of_an_embedded_file_too(tmp_path: Path) -> None:
    """Whose pieces are of 4 MiB; without one of them nothing is there."""
    rng = random.Random(8)
    files = [rng.randbytes(3 * PAGE_SIZE - 1) for _ in range(400)]
    data = PACKED["GZIP"](make_archive(files))
    name = hashlib.sha256(data).hexdigest()
    embedded = list(pieces([(SegmentRef(0, len(data), "initrd", False, name), Segment(Physical(0), data, "initrd"))]))
    packing = PagePacking([])
    for piece in embedded:
        packing.note_content(piece)
    pages = [Page(page_key(page), page) for page in file_pages(files)]
    ((kind, record, *_),) = packing.blocks(pages, [None] * len(pages))
    assert kind is Kind.ARCHIVED
    with (tmp_path / "file").open("xb", buffering=0) as file:
        BlockWriter(file).append(kind, encode(record))
    assert len(embedded) == 2
    there = reader(tmp_path / "file", embedded)
    assert all(there.page(page.key) == page.data for page in pages[::-50])
    for piece in embedded:
        assert pages[0].key not in reader(tmp_path / "file", [other for other in embedded if other is not piece])


def test_a_copy_of_the_process_has_them_too(tmp_path: Path) -> None:
    """Both go on from where the one was, in the same file."""
    disk = OnDisk(tmp_path / "file", 3)
    pages = disk.write()
    keys = list(disk.kept)
    assert pages.page(keys[10]) == disk.kept[keys[10]]
    child = os.fork()
    same = all(pages.page(key) == disk.kept[key] for key in (keys if child else keys[::-1]))
    if not child:
        os._exit(0 if same else 1)
    assert same
    assert os.waitpid(child, 0)[1] == 0


def test_it_is_not_there_without_all_of_the_medium_that_it_takes(tmp_path: Path) -> None:
    disk = OnDisk(tmp_path / "file", 4)
    pages = disk.write(sectors=disk.sectors[:5] + disk.sectors[6:])
    assert not any(key in pages for key in disk.kept)


@pytest.mark.parametrize("seed", range(20))
def test_a_medium_that_was_changed_gives_no_wrong_page(seed: int, tmp_path: Path) -> None:
    """Its checksums hold: whoever wrote it changed it."""
    rng = random.Random(seed)
    disk = OnDisk(tmp_path / "file", seed, rng.choice(list(PACKED)))
    sectors = [(number, bytearray(data)) for number, data in disk.sectors]
    for _ in range(rng.randrange(1, 4)):
        _, page = rng.choice(sectors)
        page[rng.randrange(PAGE_SIZE)] ^= 1 << rng.randrange(8)
    pages = disk.write(sectors=[(number, bytes(data)) for number, data in sectors])
    assert all(page_or_words(pages, key) in (disk.kept[key], "") for key in disk.kept)


NUMBERS = (0, 1, -1, 7, 511, PAGE_SIZE, 1 << 31, (1 << 63) - 1, -(1 << 63), (1 << 64) - 1)


@pytest.mark.parametrize("field", Archived.__struct_fields__)
def test_a_record_out_of_bounds_gives_no_wrong_page(field: str, tmp_path: Path) -> None:
    rng = random.Random(field)
    disk = OnDisk(tmp_path / "file", 5)
    good = getattr(disk.record, field)
    values: Sequence[object] = NUMBERS
    if isinstance(good, bytes):
        values = (b"", good[:-1], good + b"\0", b"\xff" * len(good), rng.randbytes(len(good)), good[::-1])
    elif isinstance(good, str):
        values = ("", "disk2", "\0" * 1000, "XZ", "ZSTD", "__members__")
    for value in values:
        pages = disk.write(msgspec.structs.replace(disk.record, **{field: value}))
        assert all(page_or_words(pages, key) in (disk.kept[key], "") for key in [*disk.kept][:8])


def test_an_archive_without_an_end_is_unpacked_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By who writes a recording and by who reads it, who still has what lies before."""
    most = 1 << 20
    monkeypatch.setattr(archives, "MOST_UNPACKED", most)
    monkeypatch.setattr(archive_file, "MOST_UNPACKED", most)
    first, last = (random.Random(seed).randbytes(PAGE_SIZE) for seed in (6, 7))
    sectors = medium_pages(gzip.compress(make_archive([first, bytes(100 << 20), last])), 0)
    known = Archives()
    known.note("disk", sectors)
    page = known.take(page_key(first))
    assert page is not None
    assert known.take(page_key(last)) is None
    places, lengths = array("I", [page.place, most]).tobytes(), array("H", [PAGE_SIZE] * 2).tobytes()
    record = Archived(page_key(first) + page_key(last), "disk", 0, 0, "GZIP", len(sectors), places, lengths)
    pages = OnDisk(tmp_path / "file", 6).write(record, sectors=sectors)
    with pytest.raises(RecordingError, match="larger than"):
        pages.page(page_key(last))
    assert pages.page(page_key(first)) == first


def test_a_host_without_room_loses_no_more_than_these_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive_file, "nameless_file", full)
    disk = OnDisk(tmp_path / "file", 7)
    pages = disk.write()
    for _ in range(2):
        with pytest.raises(RecordingError, match="checkpoint"):
            pages.page(next(iter(disk.kept)))
