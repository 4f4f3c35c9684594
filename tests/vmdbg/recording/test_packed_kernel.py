"""Kernels that were read of media are known by their pages, in both forms, and come back out of the media."""

from __future__ import annotations

import lzma
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vmdbg.boot.builders import PACKERS, bzimage
from tests.vmdbg.recording.archived import file_pages, medium_pages, noted_in_goes
from tests.vmdbg.recording.test_archives import OnDisk, cut, page_or_words, reader
from vmdbg.recording import archive_file, archives
from vmdbg.recording.archives import FORMS, Archive, Archives
from vmdbg.recording.blocks import BlockWriter, Kind
from vmdbg.recording.packed_kernel import KernelForm, KernelForms, PackedKernel, X86Filter
from vmdbg.recording.page_packing import PagePacking
from vmdbg.recording.page_records import Archived
from vmdbg.recording.records import Sectors, encode
from vmdbg.recording.unpacking import Unpacker, UnpackingError
from vmdbg.timeline.pages import Page, page_key
from vmdbg.units import PAGE_SIZE

X86 = {"id": lzma.FILTER_X86}
LZMA2 = {"id": lzma.FILTER_LZMA2, "preset": 0}


def calls(rng: random.Random, size: int) -> bytes:
    """Bytes of which many look like calls and jumps, near and far."""
    words = [b"\xe8", b"\xe9", b"\xe8\x10\x20\x30\x00", b"\xe9\x10\x20\x30\xff", b"\0", b"\xff", rng.randbytes(50)]
    return b"".join(rng.choices(words, k=size // 8)).ljust(size, b"\x90")[:size]


def unfiltered(data: bytes) -> bytes:
    """As xz packs it after its x86 filter."""
    packed = lzma.compress(data, lzma.FORMAT_RAW, filters=[X86, LZMA2])
    return lzma.decompress(packed, lzma.FORMAT_RAW, filters=[LZMA2])


def fed(one: Unpacker, pieces: list[bytes]) -> bytes:
    return b"".join(out for piece in pieces for out in one.feed(piece))


def in_forms(one: KernelForms, pieces: list[bytes]) -> dict[KernelForm, bytes]:
    """Those of which something came out."""
    found = dict[KernelForm, bytes]()
    for form, out in (out for piece in pieces for out in one.feed(piece)):
        found[form] = found.get(form, b"") + out
    return found


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("seed", range(4))
def test_a_kernel_is_unpacked_however_it_comes(packing: str, seed: int) -> None:
    rng = random.Random(seed)
    data = calls(rng, rng.choice((1, 5, PAGE_SIZE, 70_000, 300_001)))
    image = bzimage(PACKERS[packing](data)) + rng.randbytes(rng.choice((0, 3000)))
    forms = {KernelForm.KERNEL: data}
    if packing == "xz":
        forms[KernelForm.UNFILTERED_KERNEL] = unfiltered(data)
    both = KernelForms()
    assert in_forms(both, cut(rng, image)) == forms
    assert both.ended
    assert both.wants == 0
    plain = PackedKernel()
    assert fed(plain, cut(rng, image)) == forms.get(KernelForm.UNFILTERED_KERNEL, data)
    assert plain.is_filtered == (packing == "xz")


@pytest.mark.parametrize("packing", PACKERS)
def test_so_many_bytes_come_out_after_so_many_were_put_in(packing: str) -> None:
    """Whoever writes a recording puts in one page after the other, and who reads it several at once."""
    rng = random.Random(packing)
    image = bzimage(PACKERS[packing](calls(rng, 250_000) + rng.randbytes(100_000)))
    pages = file_pages([image])
    for count in range(1, len(pages) + 1, 7):
        assert in_forms(KernelForms(), [b"".join(pages[:count])]) == in_forms(KernelForms(), pages[:count])


@pytest.mark.parametrize("sizes", [0x00, 0x40, 0x80, 0xC0])
@pytest.mark.parametrize("filters", [[X86, LZMA2], [LZMA2]])
def test_xz_may_say_how_large_a_block_is(sizes: int, filters: list[dict[str, int]]) -> None:
    """As it does where it packs in several threads (The .xz File Format, 3.1)."""
    data = calls(random.Random(sizes), 50_000)
    packed = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)
    length = (packed[12] + 1) * 4
    header = packed[12 : 12 + length - 4].rstrip(b"\0")
    said = b"".join(b"\x85\x9c\x01" for size in (0x40, 0x80) if sizes & size)
    header = header[:1] + bytes((header[1] | sizes,)) + said + header[2:]
    header += bytes(-len(header) % 4) + b"CRC?"
    header = bytes((len(header) // 4 - 1,)) + header[1:]
    payload = packed[:12] + header + packed[12 + length :] + struct.pack("<I", len(data))
    assert in_forms(KernelForms(), [bzimage(payload)])[KernelForm.KERNEL] == data


@pytest.mark.parametrize("seed", range(20))
def test_the_filter_is_that_of_xz(seed: int) -> None:
    rng = random.Random(seed)
    data = calls(rng, rng.choice((0, 1, 4, 5, 65535, 65536, 65537, 65540, 200_000)))
    one = X86Filter()
    out = b"".join(out for piece in cut(rng, unfiltered(data)) for out in one.feed(piece))
    assert out + b"".join(one.end()) == data
    assert b"".join(one.end()) == b""


def kernel(rng: random.Random, packing: str = "xz", size: int = 300_000) -> tuple[list[bytes], list[bytes], bytes]:
    """Pages in both forms, and the image."""
    data = calls(rng, size // 2) + rng.randbytes(size // 2)
    before = unfiltered(data) if packing == "xz" else data
    return (
        file_pages([data]),
        file_pages([before[: len(before) // PAGE_SIZE * PAGE_SIZE]]),
        bzimage(PACKERS[packing](data)),
    )


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("seed", range(3))
def test_a_kernel_that_was_read_is_known_once_it_is_seen_in_memory(packing: str, seed: int) -> None:
    """In several goes, other pages between them, from a sector on that is not the first of a page."""
    rng = random.Random(seed)
    after, before, image = kernel(rng, packing)
    pages = medium_pages(image, 1000, rng.choice((0, 512, 3584)))
    known = Archives()
    for at in noted_in_goes(known, pages, rng):
        if at > len(pages) // 2:
            known.take(page_key(before[0]))  # it is run while it is read
    for page in set(before[1:]) - {before[0]}:
        found = known.take(page_key(page))
        assert found is not None
        assert found.pages <= len(pages)
        assert before[found.place // PAGE_SIZE] == page or after[found.place // PAGE_SIZE] == page
    assert all(known.take(page_key(page)) is not None for page in set(after[1:-1]) - set(before))
    assert known.take(page_key(rng.randbytes(PAGE_SIZE))) is None


def test_a_kernel_that_is_read_but_not_run_is_not_unpacked() -> None:
    rng = random.Random(1)
    after, before, image = kernel(rng)
    known = Archives()
    known.note("disk", medium_pages(image, 0))
    assert known.take(page_key(after[-2])) is None
    assert known.take(page_key(before[0])) is not None
    assert known.take(page_key(after[-2])) is not None


@pytest.mark.parametrize("first", [b"", b"HdrS", bytes(5000), b"\xff" * 5000])
def test_what_only_begins_like_a_kernel_is_given_up(first: bytes) -> None:
    """A partition's boot sector has the same two bytes."""
    rng = random.Random(2)
    sector = rng.randbytes(510) + b"\x55\xaa" + rng.randbytes(2) + first
    with pytest.raises(UnpackingError):
        fed(PackedKernel(), [sector.ljust(8192, b"\x01")])
    known = Archives()
    known.note("disk", medium_pages(sector + rng.randbytes(8192), 0))
    after, before, image = kernel(rng)
    known.note("disk", medium_pages(image, 100))
    assert known.take(page_key(before[0])) is not None
    assert known.take(page_key(after[-2])) is not None


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_kernel_is_refused_in_words(packing: str, seed: int) -> None:
    """Headers above all: what unpacks it says how much it wants."""
    rng = random.Random(seed)
    image = bytearray(bzimage(PACKERS[packing](calls(rng, 40_000))))
    start = 5 * 512 + 0x400
    for _ in range(rng.randrange(1, 6)):
        places = (rng.randrange(start, start + 48), rng.randrange(0x1F1, 0x250), rng.randrange(len(image)))
        image[rng.choice(places)] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
    words = ""
    try:
        assert sum(map(len, in_forms(KernelForms(), cut(rng, bytes(image))).values())) < 1 << 26
    except UnpackingError as error:
        words = str(error)
    assert words.isprintable()


def test_a_window_that_is_too_wide_is_refused() -> None:
    packed = bytearray(PACKERS["xz"](calls(random.Random(3), 40_000)))
    at = packed.index(b"\x21\x01") + 2
    for byte in (31, 32, 40, 41, 255):
        packed[at] = byte
        with pytest.raises(UnpackingError):
            fed(PackedKernel(), [bzimage(bytes(packed))])


def on_disk(path: Path, seed: int, packing: str) -> tuple[OnDisk, list[Archived]]:
    """A file of a kernel's pages in both forms, and its records."""
    rng = random.Random(seed)
    after, before, image = kernel(rng, packing)
    disk = object.__new__(OnDisk)
    disk.path, disk.sectors = path, medium_pages(image, 7, 1024)
    packing_ = PagePacking([page_key(bytes(PAGE_SIZE))])
    packing_.note_sectors("disk", disk.sectors)
    pages = list({page_key(data): Page(page_key(data), data) for data in (*before, *after) if any(data)}.values())
    found = list(_archived(packing_, pages))
    disk.kept = {page.key: page.data for page in pages if any(page.key in record.keys for record in found)}
    assert len(disk.kept) >= len(pages) - 2
    return disk, found


def _archived(packing: PagePacking, pages: list[Page]) -> Iterator[Archived]:
    for kind, record, *_ in packing.blocks(pages, [None] * len(pages)):
        if kind is Kind.ARCHIVED:
            assert isinstance(record, Archived)
            yield record


@pytest.mark.parametrize("packing", PACKERS)
def test_pages_of_both_forms_come_out_of_the_medium_in_any_order(packing: str, tmp_path: Path) -> None:
    disk, records = on_disk(tmp_path / "file", 1, packing)
    assert {record.packing for record in records} == (set(KernelForm.__members__) if packing == "xz" else {"KERNEL"})
    pages = disk.write(*records)
    keys = list(disk.kept)
    random.Random(2).shuffle(keys)
    assert all(pages.page(key) == disk.kept[key] for key in keys)
    assert {keys[index]: data for index, data in pages.pages(keys)} == disk.kept
    pages.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_medium_that_was_changed_gives_no_wrong_page(seed: int, tmp_path: Path) -> None:
    """Its checksums hold: whoever wrote it changed it."""
    rng = random.Random(seed)
    disk, records = on_disk(tmp_path / "file", seed, rng.choice(list(PACKERS)))
    sectors = [(number, bytearray(data)) for number, data in disk.sectors]
    for _ in range(rng.randrange(1, 4)):
        _, page = rng.choice(sectors)
        page[rng.randrange(PAGE_SIZE)] ^= 1 << rng.randrange(8)
    pages = disk.write(*records, sectors=[(number, bytes(data)) for number, data in sectors])
    assert all(page_or_words(pages, key) in (disk.kept[key], "") for key in disk.kept)


def test_a_kernel_without_an_end_is_unpacked_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By who writes a recording and by who reads it, who still has what lies before."""
    most = 1 << 20
    monkeypatch.setattr(archives, "MOST_UNPACKED", most)
    monkeypatch.setattr(archive_file, "MOST_UNPACKED", most)
    first, last = (random.Random(seed).randbytes(PAGE_SIZE) for seed in (6, 7))
    sectors = medium_pages(bzimage(PACKERS["xz"](first + bytes(10 << 20) + last)), 0)
    known = Archives()
    known.note("disk", sectors)
    page = known.take(page_key(first))
    assert page is not None
    assert known.take(page_key(last)) is None
    places, lengths = struct.pack("<II", 0, most), struct.pack("<HH", PAGE_SIZE, PAGE_SIZE)
    for form in KernelForm:
        record = Archived(page_key(first) + page_key(last), "disk", 0, 0, form.name, len(sectors), places, lengths)
        with (tmp_path / form.name).open("xb", buffering=0) as file:
            writer = BlockWriter(file)
            numbers = struct.pack(f"<{len(sectors)}Q", *(number for number, _ in sectors))
            writer.append(Kind.SECTORS, encode(Sectors("disk", numbers, b"".join(data for _, data in sectors))))
            writer.append(Kind.ARCHIVED, encode(record))
        pages = reader(tmp_path / form.name)
        assert page_or_words(pages, page_key(last)) == ""
        assert page_or_words(pages, page_key(first)) == first


def test_as_many_archives_are_known_as_a_reader_has_room_for() -> None:
    """Each form of a kernel is one."""
    rng = random.Random(9)
    known, found = Archives(), set[Archive]()
    for number in range(archives.MOST_ARCHIVES + 3):
        after, before, image = kernel(rng, size=30_000)
        known.note("disk", medium_pages(image, 1000 * number))
        taken = map(known.take, map(page_key, [*before, *after]))
        found |= {page.archive for page in taken if page is not None}
    assert len(found) == archives.MOST_ARCHIVES
    assert {archive.packing for archive in found} == set(KernelForm)
    assert set(FORMS) >= {archive.packing.name for archive in found}
