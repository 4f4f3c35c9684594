"""Recordings as builds before ordinals wrote them: each page by its digest, each state as it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vmdbg.recording.blocks import FILE_HEADER, FILE_MAGIC, PAGE_KINDS, Block, BlockWriter, Kind, read_payload, scan
from vmdbg.recording.checkpoint_packing import CheckpointBlock, CheckpointUnpacking
from vmdbg.recording.part_packing import PartUnpacking
from vmdbg.recording.records import PartRecord, decode, encode

FORMAT = 3
_KEY = 16


class Older:
    """What was said by ordinals, and by what came before it, said in full."""

    def __init__(self) -> None:
        self._keys = [b""]
        self._unpacking = CheckpointUnpacking()
        self._parts = PartUnpacking()

    def _page_block(self, kind: Kind, fields: list[bytes]) -> list[bytes]:
        keys, *others = fields
        assert int.from_bytes(keys[:4], "little") == len(self._keys), "ordinals are in order"
        self._keys += [keys[at : at + _KEY] for at in range(4, len(keys), _KEY)]
        if kind == Kind.DIFFERENCES:
            others[0] = self._named(others[0])
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
            return kind, encode(self._parts.unpack(decode(payload, PartRecord, "")))
        if kind != Kind.CHECKPOINT:
            return kind, payload
        (record,) = self._unpacking.unpack(decode(payload, CheckpointBlock, ""))
        others = iter(record.keys[at : at + _KEY] for at in range(0, len(record.keys), _KEY))
        ordinals = (record.ordinals[at : at + 4] for at in range(0, len(record.ordinals), 4))
        keys = [self._keys[int.from_bytes(one, "little")] or next(others) for one in ordinals]
        return Kind.KEYED_CHECKPOINT, encode(
            msgspec.structs.replace(record, keys=b"".join(keys), ordinals=b"", digest=b"")
        )


def make_older(source: Path, path: Path) -> Path:
    """The same recording in an earlier format."""
    older = Older()
    with source.open("rb") as file, path.open("xb", buffering=0) as out:
        writer = BlockWriter(out)
        for block in scan(file, source.stat().st_size):
            assert isinstance(block, Block)
            if block.kind != Kind.INDEX:
                writer.append(*older.payload(Kind(block.kind), read_payload(file, block)))
        writer.finish(encode(writer.index))
        out.seek(0)
        out.write(FILE_HEADER.pack(FILE_MAGIC, FORMAT, 0))
    return path
