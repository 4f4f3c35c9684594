"""Pages come out of a file as they went in, whatever they have in common, and as little of it is written as said."""

from __future__ import annotations

import gzip
import random
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.vmdbg.recording.archived import file_pages, make_archive, medium_pages
from tests.vmdbg.recording.older import Older
from vmdbg.engine.likeness import RecentPages
from vmdbg.errors import RecordingError
from vmdbg.interruption import INTERRUPTION
from vmdbg.recording import page_file
from vmdbg.recording.blocks import PAGE_KINDS, Block, BlockWriter, Kind, read_payload, scan
from vmdbg.recording.content import ContentReader
from vmdbg.recording.page_file import PageFile
from vmdbg.recording.page_ordinals import unpack_ordinals
from vmdbg.recording.page_packing import MOST_DEPTH, MOST_WORDS, PagePacking
from vmdbg.recording.page_records import Differences
from vmdbg.recording.recorded_media import SectorFile
from vmdbg.recording.records import Sectors, decode, encode
from vmdbg.timeline.pages import Page, PageStore, page_key
from vmdbg.units import PAGE_SIZE


def page_like(data: bytes, rng: random.Random, words: int) -> bytes:
    result = bytearray(data)
    for _ in range(words):
        at = rng.randrange(PAGE_SIZE)
        result[at] = rng.randrange(256)
    return bytes(result)


def reader(path: Path) -> PageFile:
    file = path.open("rb")
    sectors = SectorFile(file)
    pages = PageFile(file, sectors, ContentReader())
    for block in scan(file, path.stat().st_size):
        assert isinstance(block, Block)
        (sectors if block.kind == Kind.SECTORS else pages).add(block)
    return pages


class Filled:
    """A file that pages of memory come into, version by version, and what is expected of it."""

    def __init__(self, path: Path, seed: int, *, older: bool = False) -> None:
        self.path, self.rng = path, random.Random(seed)
        self._older = Older(self._content) if older else None
        self.kept: dict[bytes, bytes] = {}
        self.media = [self.rng.randbytes(PAGE_SIZE) for _ in range(40)]
        files = [self.rng.randbytes(self.rng.randrange(5 * PAGE_SIZE)) for _ in range(10)]
        self.archive = medium_pages(gzip.compress(make_archive(files), 1), len(self.media), 512)
        self.files = file_pages(files)
        self._memory = dict[int, Page]()
        self._packing = PagePacking([page_key(bytes(PAGE_SIZE))])
        self.kinds: list[Kind] = []

    def _content(self, key: bytes) -> bytes:
        return self.kept[key]

    def fill(self) -> None:
        with self.path.open("xb", buffering=0) as file:
            writer = BlockWriter(file)
            for turn in range(20):
                if turn % 5 == 0:
                    self._read_medium(writer, list(enumerate(self.media))[turn * 2 : turn * 2 + 10])
                if turn % 3 == 2:
                    self._read_medium(writer, self.archive[turn // 3 * 6 : turn // 3 * 6 + 6])
                self._change(writer, [self._version(turn, number) for number in range(12)])

    def _read_medium(self, writer: BlockWriter, pages: Sequence[tuple[int, bytes]]) -> None:
        numbers = array("Q", (number for number, _ in pages)).tobytes()
        writer.append(Kind.SECTORS, encode(Sectors("disk", numbers, b"".join(data for _, data in pages))))
        self._packing.note_sectors("disk", pages)

    def _version(self, turn: int, number: int) -> bytes:
        """What memory's page of that number holds next."""
        rng, before = self.rng, self._memory.get(number)
        row = b"".join(self.media)
        match rng.randrange(10):
            case 0:
                return rng.randbytes(PAGE_SIZE)
            case 1:
                return self.media[rng.randrange(min(len(self.media), 2 * turn + 10))]
            case 2:
                at = rng.randrange((turn // 5 * 10 + 8) * PAGE_SIZE // 8) * 8
                return page_like(row[at : at + PAGE_SIZE], rng, rng.choice((0, 0, 1)))
            case 3:
                return bytes(PAGE_SIZE)
            case 4:
                return rng.choice(self.files)
            case 6:
                return page_like(rng.randbytes(1) * PAGE_SIZE, rng, rng.choice((0, 1)))
            case 5:
                return page_like(rng.choice(list(self.kept.values()) or self.media), rng, rng.choice((1, 50)))
            case 7 if before is not None:
                numbers = struct.unpack("<512Q", before.data)
                return struct.pack("<512Q", *((one + (one % 4 == 1) * 0x1000) % 2**64 for one in numbers))
            case _:
                words = rng.choice((1, 5, 100, MOST_WORDS * 2))
                return page_like(before.data if before is not None else bytes(PAGE_SIZE), rng, words)

    def _change(self, writer: BlockWriter, contents: Sequence[bytes]) -> None:
        pages = [Page(page_key(data), data) for data in contents]
        self.kept.update((page.key, page.data) for page in pages if any(page.data))
        bases = [self._memory.get(number) for number in range(len(pages))]
        new = self._packing.new(pages)
        for kind, record, *_ in self._packing.blocks([pages[n] for n in new], [bases[n] for n in new]):
            payload = encode(record)
            writer.append(kind, payload if self._older is None else self._older.payload(kind, payload)[1])
            self.kinds.append(kind)
        self._memory.update(enumerate(pages))


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_pages_come_back_together_and_one_by_one_and_with_others_at_hand(
    seed: int, older: bool, tmp_path: Path
) -> None:
    filled = Filled(tmp_path / "file", seed, older=older)
    filled.fill()
    assert set(filled.kinds) == PAGE_KINDS
    pages = reader(filled.path)
    keys = list(filled.kept)
    filled.rng.shuffle(keys)
    found = {keys[index]: data for index, data in pages.pages(keys)}
    assert found == filled.kept
    assert all(pages.page(key) == filled.kept[key] for key in keys[:20])
    some = set(keys[::3])
    left = [key for key in keys if key not in some]
    at_hand = dict(pages.pages(left, lambda key: filled.kept[key] if key in some else None))
    assert {left[index]: data for index, data in at_hand.items()} == {key: filled.kept[key] for key in left}


@pytest.mark.parametrize("room", [0, 100_000, 300_000])
def test_pages_are_the_same_with_little_room_for_blocks(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_file, "BYTES_AT_HAND", room)
    filled = Filled(tmp_path / "file", 5)
    filled.fill()
    pages = reader(filled.path)
    keys = list(filled.kept)
    for _ in range(6):
        some = filled.rng.sample(keys, len(keys) // 2)
        assert {some[index]: data for index, data in pages.pages(some)} == {key: filled.kept[key] for key in some}
        sizes = [block.size for block in pages._at_hand.values()]
        assert pages._size == sum(sizes)
        assert len(sizes) == 1 or sum(sizes) <= room


def test_what_is_in_the_file_already_takes_little_of_it(tmp_path: Path) -> None:
    rng = random.Random(1)
    packing, size = PagePacking([]), 0
    medium = [(number, rng.randbytes(PAGE_SIZE)) for number in range(64)]
    packing.note_sectors("disk", medium)
    row = b"".join(data for _, data in medium)
    shifted = [row[at : at + PAGE_SIZE] for at in range(528, len(row) - PAGE_SIZE, PAGE_SIZE)]
    for contents in ([data for _, data in medium], shifted, [page_like(data, rng, 4) for data in shifted]):
        pages = [Page(page_key(data), data) for data in contents]
        bases = [Page(page_key(data), data) for data in shifted[: len(pages)]]
        new = packing.new(pages)
        assert len(new) == len(pages)
        for _, record, *_ in packing.blocks(pages, [*bases, *[None] * (len(pages) - len(bases))]):
            size += len(encode(record))
    assert size < 190 * 150


@pytest.mark.parametrize("moves", [False, True])
def test_a_chain_of_differences_ends(moves: bool) -> None:
    """What has to be read for a page is bounded, whatever it is like, and comes before it."""
    rng = random.Random(2)
    packing, depths = PagePacking([]), list[int]()
    page, data = None, rng.randbytes(PAGE_SIZE)
    kept = []
    for _ in range(100):
        before, page = page, Page(page_key(data), data)
        kept.append(page)
        packing.new([page])
        for _, record, *_ in packing.blocks([page], [None if moves else before]):
            if isinstance(record, Differences):
                (base,) = unpack_ordinals(record.bases)
                depths.append(depths[base - 1] + 1)
            else:
                depths.append(0)
        data = page_like(data, rng, 5)
    assert len(depths) == 100
    assert max(depths) == MOST_DEPTH
    assert depths.count(0) < 20


def test_a_page_is_not_like_itself() -> None:
    """Though its bytes are everywhere the same."""
    packing = PagePacking([])
    for filler in (b"\xcc", b"\0\1\2\3", b"\xcc" * 2000 + bytes(96) + b"\xcc" * 2000):
        page = Page(page_key(data := filler * (PAGE_SIZE // len(filler))), data)
        packing.new([page])
        assert [kind for kind, *_ in packing.blocks([page], [None])] == [Kind.PAGES]


def test_what_has_moved_takes_little(tmp_path: Path) -> None:
    """In the same go, or in another; as long as what it is like is kept."""
    rng = random.Random(3)
    first = [rng.randbytes(PAGE_SIZE) for _ in range(50)]
    moved = [page_like(data, rng, 8) for data in first]
    again = [page_like(data, rng, 8) for data in moved]
    rng.shuffle(again)
    packing, path = PagePacking([]), tmp_path / "file"
    pages = [Page(page_key(data), data) for data in (*first, *moved, *again)]
    sizes = []
    with path.open("xb", buffering=0) as file:
        writer = BlockWriter(file)
        for some in (pages[:100], pages[100:]):
            packing.new(some)
            before = file.tell()
            for kind, record, *_ in packing.blocks(some, [None] * len(some)):
                writer.append(kind, encode(record))
            sizes.append(file.tell() - before)
    assert sizes[0] < 50 * PAGE_SIZE + 50 * 400
    assert sizes[1] < 50 * 800
    source = reader(path)
    assert all(source.page(page.key) == page.data for page in reversed(pages))
    del pages, some, _
    packing.new(one := [Page(page_key(data := page_like(first[0], rng, 1)), data)])
    assert [kind for kind, *_ in packing.blocks(one, [None])] == [Kind.PAGES], "what it was like is gone"


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("kind", [*PAGE_KINDS, Kind.SECTORS])
def test_what_rests_on_a_damaged_block_is_not_there(kind: Kind, older: bool, tmp_path: Path) -> None:
    filled = Filled(tmp_path / "file", 3, older=older)
    filled.fill()
    raw = bytearray(filled.path.read_bytes())
    with filled.path.open("rb") as file:
        damaged = next(b for b in scan(file, len(raw)) if isinstance(b, Block) and b.kind == kind)
    raw[damaged.end - 1] ^= 1
    (tmp_path / "damaged").write_bytes(raw)
    pages = reader(tmp_path / "damaged")
    there = [key for key in filled.kept if key in pages]
    assert 0 < len(there) < len(filled.kept)
    assert {there[index]: data for index, data in pages.pages(there)} == {key: filled.kept[key] for key in there}
    lost = next(key for key in filled.kept if key not in pages)
    with pytest.raises(RecordingError):
        pages.page(lost)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_words_that_are_steps_or_are_not_give_no_wrong_page(seed: int, older: bool, tmp_path: Path) -> None:
    """Whoever wrote the file says otherwise, or of more or fewer pages; earlier builds say nothing of it."""
    filled = Filled(tmp_path / "file", seed, older=older)
    filled.fill()
    changed, flags = tmp_path / "changed", bytearray()
    with filled.path.open("rb") as file, changed.open("xb", buffering=0) as out:
        writer = BlockWriter(out)
        for block in scan(file, filled.path.stat().st_size):
            assert isinstance(block, Block)
            payload = read_payload(file, block)
            if block.kind == Kind.DIFFERENCES:
                record = decode(payload, Differences, "")
                flags += record.stepped
                lies = [bytes(1 - one for one in record.stepped), record.stepped[1:], record.stepped + b"\1"]
                payload = encode(msgspec.structs.replace(record, stepped=filled.rng.choice(lies)))
            writer.append(Kind(block.kind), payload)
    assert any(flags) != older
    pages = reader(changed)
    right = [key for key in filled.kept if _page_or_none(pages, key) == filled.kept[key]]
    assert 0 < len(right) < len(filled.kept)
    assert all(_page_or_none(pages, key) in (None, data) for key, data in filled.kept.items())


def _page_or_none(pages: PageFile, key: bytes) -> bytes | None:
    try:
        return pages.page(key)
    except RecordingError:
        return None


def test_a_store_builds_upon_what_it_has_at_hand(tmp_path: Path) -> None:
    """And asks its source once for all."""
    filled = Filled(tmp_path / "file", 5)
    filled.fill()
    source = reader(filled.path)
    store = PageStore()
    pages = [store.page_from(key, source) for key in filled.kept]
    store.fetch(pages[::2])
    store.fetch(pages)
    assert not any(page.is_away for page in pages)
    assert all(page.data == filled.kept[page.key] for page in pages)


@pytest.mark.parametrize("shift", [0, 8, 16, 1000, 4088])
def test_pieces_are_what_they_are_said_to_be(shift: int) -> None:
    rng = random.Random(shift)
    pages = [rng.randbytes(PAGE_SIZE) for _ in range(20)]
    recent = RecentPages(8)
    for page in pages:
        recent.note(page)
    row = b"".join(pages)
    for first in range(12, 19):
        wanted = row[first * PAGE_SIZE + shift :][:PAGE_SIZE]
        found = recent.pieces(wanted)
        assert sum(piece.length for piece in found) >= PAGE_SIZE - 192
        for piece in found:
            source = pages[piece.source][piece.offset : piece.offset + piece.length]
            assert source == wanted[piece.at : piece.at + piece.length]
    assert recent.pieces(row[: PAGE_SIZE * 2][shift:][:PAGE_SIZE]) == [], "forgotten"


def test_fetching_can_be_ended_between_blocks(tmp_path: Path) -> None:
    """And is had again as if nothing had been."""
    filled = Filled(tmp_path / "file", 6)
    filled.fill()
    source = reader(filled.path)
    store = PageStore()
    pages = [store.page_from(key, source) for key in filled.kept]
    for warm in (pages[:1], pages):
        INTERRUPTION.ask(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            store.fetch(pages)
        store.fetch(warm)
    assert all(page.data == filled.kept[page.key] for page in pages)
