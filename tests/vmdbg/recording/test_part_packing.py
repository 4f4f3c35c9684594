"""Parts of the history index come out of a file as they went in; where one is lost, so are few others, and by name."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
import xxhash
import zstandard

from devices.disk.requests import DiskRequest, Operation
from tests.vmdbg.recording.conftest import Recorded
from tests.vmdbg.recording.older import Format4, Older, Streaming, make_older
from vmdbg.engine.touches import EVENTS, Touches
from vmdbg.errors import RecordingError
from vmdbg.machine.snapshot import Position
from vmdbg.recording import streamed_parts
from vmdbg.recording.blocks import Block, BlockWriter, Kind, read_payload, scan
from vmdbg.recording.part_packing import MOST_OTHERS, MOST_TOGETHER, PartBlock, PartPacking, PartUnpacking
from vmdbg.recording.reader import open_recording
from vmdbg.recording.records import PartRecord, decode, decode_part, encode
from vmdbg.recording.streamed_parts import StreamedParts
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.touched import Touched
from vmdbg.timeline.touched_packing import MOST_BYTES, MOST_ROWS, unframed
from vmdbg.units import Tick


def touches(rng: random.Random, pages: Iterable[int]) -> Touches:
    linear = sorted(pages)
    steps = array("Q", (after - before for before, after in pairwise((0, *linear))))
    words = (array("Q", (rng.choice((1, rng.getrandbits(64))) for _ in linear)).tobytes() for _ in range(3))
    kinds = bytes(rng.randrange(1, 8) for _ in linear)
    return Touches(steps.tobytes(), *words, bytes(4 * len(linear)), kinds)


def as_of_old(what: Touches) -> Touched:
    """In two frames."""
    squeeze = zstandard.ZstdCompressor().compress
    rows = squeeze(what.linear + what.lines + what.physical + what.kinds)
    return Touched(rows, written=squeeze(what.written + what.words))


def requests_of(rng: random.Random, start: int) -> tuple[DiskRequest, ...] | None:
    """Some were submitted before the part began; sectors and times are of every size."""
    if rng.random() < 0.2:
        return None
    return tuple(
        DiskRequest(
            rng.choice(("disk0", "cdrom", "")),
            rng.choice(list(Operation)),
            rng.getrandbits(rng.randrange(1, 64)),
            rng.getrandbits(rng.randrange(1, 64)),
            max(0, start + rng.randrange(-1000, 1000)),
            start + 1000 + rng.getrandbits(rng.randrange(1, 60)),
        )
        for _ in range(rng.choice((0, 1, rng.randrange(50))))
    )


def touched_of(rng: random.Random, what: Touches, start: int) -> Touched:
    beside = replace(
        what,
        ports=rng.randbytes(3 * rng.randrange(4)),
        exceptions=rng.getrandbits(256),
        interrupts=1 << rng.randrange(256),
        events=frozenset(rng.sample(sorted(EVENTS, key=lambda event: event.name), rng.randrange(3))),
    )
    return Touched.of(beside, stopped=rng.random() < 0.1, requests=requests_of(rng, start))


def one_part() -> Part:
    return Part(Position(Tick(0)), Position(Tick(1)), Touched.of(touches(random.Random(1), [5])))


def parts_of(seed: int, count: int = 80) -> list[Part]:
    """Each of which touches much of what the one before did; some are of recordings of earlier builds."""
    rng = random.Random(seed)
    pages = {rng.getrandbits(40) for _ in range(100)}
    found = list[Part]()
    for number in range(count):
        pages = set(rng.sample(sorted(pages), 80)) | {rng.getrandbits(40) for _ in range(rng.randrange(30))}
        what, start = touches(rng, pages), 1000 * number
        touched = as_of_old(what) if rng.random() < 0.1 else touched_of(rng, what, start)
        found.append(Part(Position(Tick(start)), Position(Tick(start + 1000)), touched))
    return found


Packed = PartBlock | PartRecord


class Form(Protocol):
    """How parts lie in a file: in format 4, and now."""

    most: int

    def packed(self, parts: Iterable[Part]) -> list[Packed]: ...
    def unpack(self, packed: Packed) -> PartRecord: ...


class Now:
    most = MOST_TOGETHER

    def __init__(self) -> None:
        self._unpacking, self._earlier = PartUnpacking(), StreamedParts()

    def packed(self, parts: Iterable[Part]) -> list[Packed]:
        packing, found = PartPacking(), list[Packed]()
        for part in parts:
            one = packing.pack(part)
            found.append(decode(encode(one), type(one), ""))
        return found

    def unpack(self, packed: Packed) -> PartRecord:
        return self._unpacking.unpack(packed) if isinstance(packed, PartBlock) else self._earlier.unpack(packed)


class OfFormat4:
    most = streamed_parts.MOST_TOGETHER

    def __init__(self) -> None:
        self._unpacking = StreamedParts()

    def packed(self, parts: Iterable[Part]) -> list[Packed]:
        packing = Streaming()
        return [decode(encode(packing.pack(part)), PartRecord, "") for part in parts]

    def unpack(self, packed: Packed) -> PartRecord:
        assert isinstance(packed, PartRecord)
        return self._unpacking.unpack(packed)


FORMS = pytest.mark.parametrize("form", [Now, OfFormat4])


def unpacked(records: Iterable[Packed], form: type[Form]) -> list[Part | None]:
    """None for those that are refused."""
    unpacking, found = form(), list[Part | None]()
    for record in records:
        try:
            found.append(decode_part(unpacking.unpack(record)))
        except RecordingError:
            found.append(None)
    return found


@FORMS
@pytest.mark.parametrize("seed", range(5))
def test_parts_come_out_as_they_went_in(seed: int, form: type[Form]) -> None:
    parts = parts_of(seed)
    records = form().packed(parts)
    assert unpacked(records, form) == parts
    assert max(record.place for record in records) == form.most - 1
    alone = sum(len(encode(form().packed([one])[0])) for one in parts)
    assert sum(len(encode(one)) for one in records) < alone


def streams(records: Iterable[Packed]) -> list[int]:
    """The number of each one's stream; -1 for one that is in none."""
    number, found = 0, list[int]()
    for record in records:
        number += bool(record.digest) and not record.place
        found.append(number if record.digest else -1)
    return found


@FORMS
@pytest.mark.parametrize("seed", range(8))
def test_a_missing_part_costs_those_after_it_in_its_stream_and_no_others(seed: int, form: type[Form]) -> None:
    parts = parts_of(seed)
    records = form().packed(parts)
    first = random.Random(seed).randrange(len(parts))
    for count in (1, 2, form.most, form.most + 1, 2 * form.most):
        gone = range(first, min(first + count, len(parts)))
        left = [place for place in range(len(parts)) if place not in gone]
        begun = {stream for place, stream in enumerate(streams(records)) if place in gone}
        lost = {place for place in left if place > first and streams(records)[place] in begun - {-1}}
        expected = [None if place in lost else parts[place] for place in left]
        assert unpacked((records[place] for place in left), form) == expected


@FORMS
def test_a_piece_of_another_stream_is_refused(form: type[Form]) -> None:
    records, others = ([one for one in form().packed(parts_of(seed)) if one.digest] for seed in (1, 2))
    for place in range(1, form.most):
        found = unpacked([*records[:place], others[place], *records[place + 1 : 2 * form.most]], form)
        assert [part is not None for part in found] == [
            index < place or index >= form.most for index in range(2 * form.most)
        ]


@FORMS
@pytest.mark.parametrize("place", [-1, 1, 8, 32, 1 << 40])
def test_a_part_that_says_another_place_is_refused(place: int, form: type[Form]) -> None:
    (record,) = form().packed([one_part()])
    assert unpacked([msgspec.structs.replace(record, place=place)], form) == [None]


@FORMS
@pytest.mark.parametrize("piece", [b"", b"no frame", bytes(100)])
def test_what_is_no_piece_is_refused(piece: bytes, form: type[Form]) -> None:
    (record,) = form().packed([one_part()])
    assert unpacked([msgspec.structs.replace(record, columns=piece)], form) == [None]


@pytest.mark.parametrize("piece", [b"", b"no frame", bytes(100)])
def test_what_is_no_piece_of_what_else_a_part_did_is_refused(piece: bytes) -> None:
    block = block_of(one_part())
    assert unpacked([msgspec.structs.replace(block, others=piece)], Now) == [None]


def block_of(part: Part) -> PartBlock:
    block = PartPacking().pack(part)
    assert isinstance(block, PartBlock)
    return block


@pytest.mark.parametrize("rows", [-1, 0, 2, MOST_ROWS, MOST_ROWS + 1, 1 << 63])
def test_a_part_that_says_another_number_of_rows_is_refused(rows: int) -> None:
    assert unpacked([msgspec.structs.replace(block_of(one_part()), rows=rows)], Now) == [None]


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_told(seed: int) -> None:
    """Whatever is changed in a part: it is refused, and so are its stream's next ones, or it is what it was."""
    rng = random.Random(seed)
    parts = [part for part in parts_of(seed) if part.touched.columns][: 2 * MOST_TOGETHER]
    blocks = Now().packed(parts)
    at = rng.randrange(MOST_TOGETHER)
    name = rng.choice(("columns", "others", "digest"))
    bad = bytearray(getattr(blocks[at], name))
    bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    blocks[at] = msgspec.structs.replace(blocks[at], **{name: bytes(bad)})
    found = unpacked(blocks, Now)
    assert found in (parts, [*parts[:at], *[None] * (MOST_TOGETHER - at), *parts[MOST_TOGETHER:]])


def test_few_bytes_do_not_become_many() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(40 * MOST_BYTES))
    (record,) = OfFormat4().packed([one_part()])
    assert isinstance(record, PartRecord)
    with pytest.raises(RecordingError, match="more rows than a part can have"):
        StreamedParts().unpack(msgspec.structs.replace(record, columns=bomb))
    assert len(bomb) < MOST_OTHERS
    with pytest.raises(RecordingError, match="more than there can be of a part"):
        PartUnpacking().unpack(msgspec.structs.replace(block_of(one_part()), others=bomb))


def resigned(block: PartBlock, change: Callable[[list[object]], None]) -> PartBlock:
    """With other things beside its columns, and a digest that fits them."""
    unpacking = zstandard.ZstdDecompressor().decompressobj()
    others = msgspec.msgpack.decode(unpacking.decompress(block.others))
    columns = unframed(PartUnpacking().unpack(block).columns)
    change(others)
    data = encode(others)
    packer = zstandard.ZstdCompressor().compressobj()
    piece = packer.compress(data) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return msgspec.structs.replace(block, others=piece, digest=xxhash.xxh3_64_digest(data + columns))


@pytest.mark.parametrize(
    ("kinds", "numbers"),
    [
        ([], bytes(40)),
        ([["disk0", "read"]], bytes(39)),
        ([["disk0", "read"]], b"\xff" * 40),
        ([["disk0", "eat"]], bytes(40)),
        ([["disk0"]], bytes(40)),
        ("disk0", b""),
    ],
    ids=["no kind", "cut off", "another kind", "no operation", "no pair", "no list"],
)
def test_requests_that_are_none_are_refused(kinds: object, numbers: bytes) -> None:
    def change(others: list[object]) -> None:
        others[1:] = [kinds, numbers]

    assert unpacked([resigned(block_of(one_part()), change)], Now) == [None]


# in files

PARTS = (Kind.PART, Kind.EARLIER_PART)
EARLIER = pytest.mark.parametrize("how", [Older, Format4])


def part_blocks(path: Path) -> list[Block]:
    with path.open("rb") as file:
        blocks = scan(file, path.stat().st_size)
        return [one for one in blocks if isinstance(one, Block) and one.kind in PARTS]


@EARLIER
def test_an_earlier_recording_has_the_same_parts(
    recorded: Recorded, tmp_path: Path, how: type[Older | Format4]
) -> None:
    path = make_older(recorded.path, tmp_path / "older", how)
    with open_recording(recorded.path) as new, open_recording(path) as old:
        assert len(new.parts) > 2
        assert old.parts == new.parts


def test_a_damaged_part_is_named_and_so_are_those_that_are_lost_with_it(recorded: Recorded, tmp_path: Path) -> None:
    blocks = part_blocks(recorded.path)
    with open_recording(recorded.path) as recording:
        parts = recording.parts
    for number, block in enumerate(blocks):
        whole = bytearray(recorded.path.read_bytes())
        whole[block.end - 1] ^= 1
        path = tmp_path / f"damaged{number}"
        path.write_bytes(whole)
        with open_recording(path) as recording:
            assert recording.parts == parts[:number]
            for lost in blocks[number:]:
                assert any(f"bytes {lost.offset} to {lost.end} (part)" in text for text in recording.damage)


@EARLIER
def test_parts_written_by_both_builds_are_read(recorded: Recorded, tmp_path: Path, how: type[Older | Format4]) -> None:
    """As where what was read of an earlier one stays as it is, and more is written."""
    older, path = make_older(recorded.path, tmp_path / "older", how), tmp_path / "both"
    with open_recording(older) as recording:
        parts = recording.parts
    packing = PartPacking()
    with older.open("rb") as file, path.open("xb", buffering=0) as out:
        writer, number = BlockWriter(out), 0
        for block in scan(file, older.stat().st_size):
            assert isinstance(block, Block)
            payload = read_payload(file, block)
            if block.kind in PARTS:
                kept = number < len(parts) // 2
                payload = payload if kept else encode(packing.pack(parts[number]))
                writer.append(Kind.EARLIER_PART if kept else Kind.PART, payload)
                number += 1
            elif block.kind != Kind.INDEX:
                writer.append(Kind(block.kind), payload)
    with open_recording(path) as recording:
        assert recording.parts == parts
