"""Checkpoints as they lie in a file: each by what it has in common with the one before, without which it is of no use
anyway.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import compress
from operator import not_

import msgspec
import xxhash
import zstandard

from vmdbg.errors import RecordingError
from vmdbg.machine.snapshot import MachineState
from vmdbg.recording.blocks import LARGEST_UNPACKED
from vmdbg.recording.page_ordinals import pack_ordinals, unpack_keys, unpack_ordinals
from vmdbg.recording.records import CheckpointRecord, decode, encode

_LEVEL = 3
"""Of zstd. Most of a state is that of the one before: it costs little more than the lowest one."""
ROOM = 1 << 30
"""Bytes of memory for the states of all checkpoints of a file,"""
ROOM_FOR_A_BYTE = 1 << 12
"""and as many more for each byte that they have there: of large states few bytes change, but some do."""


class CheckpointBlock(msgspec.Struct, frozen=True, array_like=True):
    """A CheckpointRecord. `state` is one zstd frame, of which the state of the checkpoint before, as MessagePack, is
    the dictionary; the first has none. `changed` and `ordinals` are packed by pack_ordinals().
    """

    number: int
    phase: int
    inputs: int
    state: bytes
    changed: bytes
    ordinals: bytes
    keys: bytes
    digest: bytes
    halted_at: int | None
    microseconds: int


def keys_digest(keys: Iterable[bytes]) -> bytes:
    """XXH3-64, big-endian, of the digests of all pages that changed, one after the other."""
    return xxhash.xxh3_64_digest(b"".join(keys))


def keys_of(record: CheckpointRecord, in_file: Iterable[bytes | None]) -> list[bytes | None]:
    """Digests of the pages that changed, None where one is lost. `in_file` has those of its ordinals.

    Raises RecordingError if they are not what the checkpoint was made of.
    """
    others = iter(unpack_keys(record.keys).keys)
    if not record.ordinals:
        return list(others)
    ordinals = array("I", record.ordinals)
    found = [key if ordinal else next(others) for ordinal, key in zip(ordinals, in_file, strict=True)]
    known = [key for key in found if key is not None]
    if len(known) == len(found) and keys_digest(known) != record.digest:
        raise RecordingError("a checkpoint is damaged: its pages are others than its digest says")
    return found


class CheckpointPacking:
    """Packs one checkpoint after the other."""

    def __init__(self) -> None:
        self._before = b""

    def pack(self, record: CheckpointRecord, keys: Sequence[bytes], ordinals: Sequence[int]) -> CheckpointBlock:
        """`keys` are those of the pages that changed, and `ordinals` theirs, 0 for what has none. Of the record's own
        there need be none.
        """
        state = encode(record.state)
        packer = zstandard.ZstdCompressor(level=_LEVEL, dict_data=_dictionary(self._before), write_checksum=True)
        self._before = state
        return CheckpointBlock(
            record.number,
            record.phase,
            record.inputs,
            packer.compress(state),
            pack_ordinals(array("I", record.changed)),
            pack_ordinals(ordinals),
            b"".join(compress(keys, map(not_, ordinals))),
            keys_digest(keys),
            record.halted_at,
            record.microseconds,
        )


class CheckpointUnpacking:
    """Unpacks one checkpoint after the other, as long as none is missing."""

    def __init__(self) -> None:
        self._number, self._before, self._lost = 0, b"", False
        self._room = ROOM

    def unpack(self, block: CheckpointBlock) -> list[CheckpointRecord]:
        """None after one that is missing, or damaged. That raises RecordingError, once."""
        if self._lost:
            return []
        self._lost = True
        if block.number != self._number:
            raise RecordingError(f"checkpoint {self._number} is missing: those after it cannot be used")
        self._room += ROOM_FOR_A_BYTE * len(block.state)
        state = _unpacked(block.state, self._before, min(LARGEST_UNPACKED, self._room))
        self._room -= len(state)
        record = CheckpointRecord(
            block.number,
            block.phase,
            block.inputs,
            decode(state, MachineState, "a checkpoint"),
            unpack_ordinals(block.changed).tobytes(),
            block.keys,
            block.halted_at,
            block.microseconds,
            unpack_ordinals(block.ordinals).tobytes(),
            block.digest,
        )
        self._number, self._before, self._lost = block.number + 1, state, False
        return [record]


def _dictionary(before: bytes) -> zstandard.ZstdCompressionDict | None:
    return zstandard.ZstdCompressionDict(before, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if before else None


def _unpacked(packed: bytes, before: bytes, most: int) -> bytes:
    """Raises RecordingError."""
    try:
        if not 0 <= zstandard.frame_content_size(packed) <= most:
            raise RecordingError(f"a checkpoint's state is not of at most {most} bytes: those after it cannot be used")
        return zstandard.ZstdDecompressor(dict_data=_dictionary(before)).decompress(packed)
    except zstandard.ZstdError as error:
        raise RecordingError(f"a checkpoint is damaged: {error}") from error
