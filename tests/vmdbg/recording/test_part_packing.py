"""Parts of the history index come out of a file as they went in; where one is lost, so are few others, and by name."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import zstandard

from tests.vmdbg.recording.conftest import Recorded
from tests.vmdbg.recording.older import make_older
from vmdbg.engine.touches import Touches
from vmdbg.errors import RecordingError
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import Block, BlockWriter, Kind, read_payload, scan
from vmdbg.recording.part_packing import MOST_TOGETHER, PartPacking, PartUnpacking
from vmdbg.recording.reader import open_recording
from vmdbg.recording.records import PartRecord, decode, decode_part, encode
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.touched import Touched
from vmdbg.timeline.touched_packing import MOST_BYTES
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


def one_part() -> PartRecord:
    what = Touched.of(touches(random.Random(1), [5]))
    return PartPacking().pack(Part(Position(Tick(0)), Position(Tick(1)), what))


def parts_of(seed: int, count: int = 40) -> list[Part]:
    """Each of which touches much of what the one before did; some are of recordings of earlier builds."""
    rng = random.Random(seed)
    pages = {rng.getrandbits(40) for _ in range(300)}
    found = list[Part]()
    for number in range(count):
        pages = set(rng.sample(sorted(pages), 250)) | {rng.getrandbits(40) for _ in range(rng.randrange(100))}
        what = rng.choice([as_of_old, *[Touched.of] * 9])(touches(rng, pages))
        found.append(Part(Position(Tick(number)), Position(Tick(number + 1)), what))
    return found


def packed(parts: Iterable[Part]) -> list[PartRecord]:
    packing = PartPacking()
    return [decode(encode(packing.pack(part)), PartRecord, "") for part in parts]


def unpacked(records: Iterable[PartRecord]) -> list[Part | None]:
    """None for those that are refused."""
    unpacking, found = PartUnpacking(), list[Part | None]()
    for record in records:
        try:
            found.append(decode_part(unpacking.unpack(record)))
        except RecordingError:
            found.append(None)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_parts_come_out_as_they_went_in(seed: int) -> None:
    parts = parts_of(seed)
    records = packed(parts)
    assert unpacked(records) == parts
    assert max(record.place for record in records) == MOST_TOGETHER - 1
    together, alone = (sum(len(encode(one)) for one in some) for some in (records, [packed([one])[0] for one in parts]))
    assert together < alone


def streams(records: Iterable[PartRecord]) -> list[int]:
    """The number of each one's stream; -1 for one that is in none."""
    number, found = 0, list[int]()
    for record in records:
        number += bool(record.digest) and not record.place
        found.append(number if record.digest else -1)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_missing_part_costs_those_after_it_in_its_stream_and_no_others(seed: int) -> None:
    parts = parts_of(seed)
    records = packed(parts)
    first = random.Random(seed).randrange(len(parts))
    for count in (1, 2, MOST_TOGETHER, MOST_TOGETHER + 1, 2 * MOST_TOGETHER):
        gone = range(first, min(first + count, len(parts)))
        left = [place for place in range(len(parts)) if place not in gone]
        begun = {stream for place, stream in enumerate(streams(records)) if place in gone}
        lost = {place for place in left if place > first and streams(records)[place] in begun - {-1}}
        expected = [None if place in lost else parts[place] for place in left]
        assert unpacked(records[place] for place in left) == expected


def test_a_piece_of_another_stream_is_refused() -> None:
    records, others = ([one for one in packed(parts_of(seed)) if one.digest] for seed in (1, 2))
    for place in range(1, MOST_TOGETHER):
        found = unpacked([*records[:place], others[place], *records[place + 1 : 2 * MOST_TOGETHER]])
        assert [part is not None for part in found] == [
            index < place or index >= MOST_TOGETHER for index in range(2 * MOST_TOGETHER)
        ]


@pytest.mark.parametrize("place", [-1, 1, 7, 8, 1 << 40])
def test_a_part_that_says_another_place_is_refused(place: int) -> None:
    record = one_part()
    assert unpacked([msgspec.structs.replace(record, place=place)]) == [None]


@pytest.mark.parametrize("piece", [b"", b"no frame", bytes(100)])
def test_what_is_no_piece_is_refused(piece: bytes) -> None:
    record = one_part()
    assert unpacked([msgspec.structs.replace(record, columns=piece)]) == [None]


def test_few_bytes_do_not_become_many() -> None:
    record = one_part()
    bomb = zstandard.ZstdCompressor().compress(bytes(40 * MOST_BYTES))
    with pytest.raises(RecordingError, match="more rows than a part can have"):
        PartUnpacking().unpack(msgspec.structs.replace(record, columns=bomb))


# in files


def part_blocks(path: Path) -> list[Block]:
    with path.open("rb") as file:
        blocks = scan(file, path.stat().st_size)
        return [one for one in blocks if isinstance(one, Block) and one.kind == Kind.PART]


def test_an_earlier_recording_has_the_same_parts(recorded: Recorded, tmp_path: Path) -> None:
    path = make_older(recorded.path, tmp_path / "older")
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


def test_parts_written_by_both_builds_are_read(recorded: Recorded, tmp_path: Path) -> None:
    """As where a recording of an earlier one is saved again."""
    older, path = make_older(recorded.path, tmp_path / "older"), tmp_path / "both"
    with open_recording(older) as recording:
        parts = recording.parts
    packing = PartPacking()
    with older.open("rb") as file, path.open("xb", buffering=0) as out:
        writer, number = BlockWriter(out), 0
        for block in scan(file, older.stat().st_size):
            assert isinstance(block, Block)
            payload = read_payload(file, block)
            if block.kind == Kind.PART:
                payload = encode(packing.pack(parts[number])) if number % 2 else payload
                number += 1
            if block.kind != Kind.INDEX:
                writer.append(Kind(block.kind), payload)
    with open_recording(path) as recording:
        assert recording.parts == parts
