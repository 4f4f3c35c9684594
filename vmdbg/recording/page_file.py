"""The pages that a recording holds, read when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from typing import BinaryIO

from vmdbg.errors import RecordingError
from vmdbg.recording.blocks import Block, read_payload
from vmdbg.recording.records import Pages, decode
from vmdbg.timeline.pages import page_key
from vmdbg.units import PAGE_SIZE

KEY_SIZE = 16
BLOCKS_AT_HAND = 16
MOST_KEYS = 1 << 16
"""Bytes of a block that its keys are in: a block of more pages than fit holds none."""
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""MessagePack's bytes, and how long their lengths are."""


def keys_at_the_beginning(payload: bytes) -> bytes:
    """Those of a Pages of which only the beginning is there. Raises RecordingError if they are not in it."""
    wide = _BYTES.get(payload[1], 0) if payload[:1] == b"\x92" and len(payload) > 1 else 0
    start = 2 + wide
    end = start + int.from_bytes(payload[2:start], "big")
    if not wide or end > len(payload):
        raise RecordingError("a block of pages is damaged: its keys are not where they should be")
    return payload[start:end]


class PageFile:
    """A PageSource over the PAGES blocks of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._blocks: list[Block] = []
        self._where: dict[bytes, tuple[int, int]] | None = None
        self._at_hand: OrderedDict[int, Pages] = OrderedDict()

    def add(self, block: Block) -> None:
        self._blocks.append(block)
        self._where = None

    def _index(self) -> dict[bytes, tuple[int, int]]:
        """Where each page is: the number of its block, and its place in it. Damaged blocks hold none."""
        if self._where is None:
            self._where = {}
            for number in range(len(self._blocks)):
                try:
                    keys = keys_at_the_beginning(read_payload(self._file, self._blocks[number], MOST_KEYS))
                except RecordingError:
                    continue
                for place in range(len(keys) // KEY_SIZE):
                    self._where[keys[place * KEY_SIZE : (place + 1) * KEY_SIZE]] = (number, place)
        return self._where

    def _read(self, number: int) -> Pages:
        pages = self._at_hand.get(number)
        if pages is None:
            pages = decode(read_payload(self._file, self._blocks[number]), Pages, "a block of pages")
            if len(pages.keys) // KEY_SIZE != len(pages.data) // PAGE_SIZE:
                raise RecordingError("a block of pages is damaged: its contents do not match its digests")
            self._at_hand[number] = pages
            if len(self._at_hand) > BLOCKS_AT_HAND:
                self._at_hand.popitem(last=False)
        return pages

    def __contains__(self, key: bytes) -> bool:
        return key in self._index()

    def page(self, key: bytes) -> bytes:
        """Raises RecordingError if it is missing or damaged."""
        number, place = self._found(key)
        data = self._read(number).data[place * PAGE_SIZE : (place + 1) * PAGE_SIZE]
        if page_key(data) != key:
            raise RecordingError("a page of a checkpoint is not what its digest says: replay without checkpoints")
        return data

    def place(self, key: bytes) -> int:
        """The number of the block that it is in: reading one is what takes time. Raises RecordingError."""
        return self._found(key)[0]

    def _found(self, key: bytes) -> tuple[int, int]:
        where = self._index().get(key)
        if where is None:
            raise RecordingError("a page of a checkpoint is damaged or missing: replay without checkpoints")
        return where
