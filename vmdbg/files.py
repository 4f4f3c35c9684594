"""Reading files of this host, with bounds."""

from __future__ import annotations

import os
from typing import BinaryIO

PIECE = 1 << 20


def read_at_most(file: BinaryIO, most: int) -> bytearray:
    """What there is from here on, at most `most` bytes; memory is taken for what there is. Raises OSError."""
    data = bytearray(min(most, _size_ahead(file) + 1))
    filled = 0
    while count := file.readinto(memoryview(data)[filled:]):  # type: ignore[attr-defined]  # BinaryIO forgets it
        filled += count
        if filled == len(data) < most:
            data += bytes(min(PIECE, most - filled))
    del data[filled:]
    return data


def _size_ahead(file: BinaryIO) -> int:
    """Of a regular file; 0 if it cannot be told."""
    try:
        return max(0, os.fstat(file.fileno()).st_size - file.tell())
    except (OSError, ValueError):
        return 0
