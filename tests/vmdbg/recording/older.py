"""Recordings as earlier builds wrote them: of format 4, and of format 3 from before ordinals, each page by its digest,
each state as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import xxhash
import zstandard

from vmdbg.engine.likeness import MASK
from vmdbg.recording.blocks import FILE_HEADER, FILE_MAGIC, PAGE_KINDS, Block, BlockWriter, Kind, read_payload, scan
from vmdbg.recording.checkpoint_packing import CheckpointBlock, CheckpointUnpacking
from vmdbg.recording.part_packing import PartBlock, PartUnpacking
from vmdbg.recording.reader import open_recording
from vmdbg.recording.records import PartRecord, decode, encode, encode_part
from vmdbg.recording.streamed_parts import MOST_TOGETHER
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.touched_packing import unframed

_KEY = 16


PageByKey = Callable[[bytes], bytes]


def in_words(fields: list[bytes], page: PageByKey) -> list[bytes]:
    """The fields of a block of differences, with the words that pages have, none of which is a step."""
    keys, bases, masks, words, stepped = fields
    if not any(stepped):
        return [keys, bases, masks, words]
    found = bytearray()
    for number, at in enumerate(range(len(keys) % _KEY, len(keys), _KEY)):
        data, mask = page(keys[at : at + _KEY]), int.from_bytes(masks[number * MASK :][:MASK], "little")
        found += b"".join(data[8 * word : 8 * word + 8] for word in range(len(data) // 8) if mask >> word & 1)
    return [keys, bases, masks, bytes(found)]


class Older:
    """What was said by ordinals, by what came before it, and by how much a word grew, said in full."""

    number = 3

    def __init__(self, page: PageByKey) -> None:
        self._page = page
        self._keys = [b""]
        self._unpacking = CheckpointUnpacking()
        self._parts = PartUnpacking()

    def _page_block(self, kind: Kind, fields: list[bytes]) -> list[bytes]:
        keys, *others = fields
        assert int.from_bytes(keys[:4], "little") == len(self._keys), "ordinals are in order"
        self._keys += [keys[at : at + _KEY] for at in range(4, len(keys), _KEY)]
        if kind == Kind.DIFFERENCES:
            _, bases, *others = in_words(fields, self._page)
            others = [self._named(bases), *others]
        return [keys[4:], *others]

    def _named(self, packed: bytes) -> bytes:
        count, at, keys = len(packed) // 4, 0, b""
        for number in range(count):
            at += int.from_bytes(packed[number::count], "little")
            keys += self._keys[at % (1 << 32)]
        return keys

    def payload(self, kind: Kind, payload: bytes) -> tuple[Kind, bytes]:
        if kind in PAGE_KINDS:
            return kind, encode(self._page_block(kind, msgspec.msgpack.decode(payload)))
        if kind == Kind.PART:
            return Kind.EARLIER_PART, encode(self._parts.unpack(decode(payload, PartBlock, "")))
        if kind != Kind.CHECKPOINT:
            return kind, payload
        (record,) = self._unpacking.unpack(decode(payload, CheckpointBlock, ""))
        others = iter(record.keys[at : at + _KEY] for at in range(0, len(record.keys), _KEY))
        ordinals = (record.ordinals[at : at + 4] for at in range(0, len(record.ordinals), 4))
        keys = [self._keys[int.from_bytes(one, "little")] or next(others) for one in ordinals]
        return Kind.KEYED_CHECKPOINT, encode(
            msgspec.structs.replace(record, keys=b"".join(keys), ordinals=b"", digest=b"")
        )


class Streaming:
    """Parts as format 4 has them."""

    def __init__(self) -> None:
        self._packer = zstandard.ZstdCompressor(level=9)
        self._place, self._stream = 0, self._packer.compressobj()

    def pack(self, part: Part) -> PartRecord:
        return self._packed(encode_part(part))

    def _packed(self, record: PartRecord) -> PartRecord:
        if not record.columns:
            return record
        if self._place == MOST_TOGETHER:
            self._place, self._stream = 0, self._packer.compressobj()
        columns, stream = unframed(record.columns), self._stream
        piece = stream.compress(columns) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        place, self._place = self._place, self._place + 1
        return msgspec.structs.replace(record, columns=piece, place=place, digest=xxhash.xxh3_64_digest(columns))


class Format4(Streaming):
    """What else there is was as it is."""

    number = 4

    def __init__(self, page: PageByKey) -> None:
        super().__init__()
        self._page = page
        self._parts = PartUnpacking()

    def payload(self, kind: Kind, payload: bytes) -> tuple[Kind, bytes]:
        if kind == Kind.DIFFERENCES:
            return kind, encode(in_words(msgspec.msgpack.decode(payload), self._page))
        if kind != Kind.PART:
            return kind, payload
        return Kind.EARLIER_PART, encode(self._packed(self._parts.unpack(decode(payload, PartBlock, ""))))


def make_older(source: Path, path: Path, how: type[Older | Format4] = Older) -> Path:
    """The same recording in an earlier format."""
    older = how(open_recording(source).pages.page)
    with source.open("rb") as file, path.open("xb", buffering=0) as out:
        writer = BlockWriter(out)
        for block in scan(file, source.stat().st_size):
            assert isinstance(block, Block)
            if block.kind != Kind.INDEX:
                writer.append(*older.payload(Kind(block.kind), read_payload(file, block)))
        writer.finish(encode(writer.index))
        out.seek(0)
        out.write(FILE_HEADER.pack(FILE_MAGIC, older.number, 0))
    return path
