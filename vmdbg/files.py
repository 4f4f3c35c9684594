"""Files of this host: read with bounds, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
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


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is not there yet, removed again if it does not become whole. Raises OSError."""
    with path.open("xb") as file:
        try:
            yield file
            file.flush()
        except BaseException:
            remove(path)
            raise


def remove(path: Path) -> None:
    """If it can be: whoever does this has something else to say of the file."""
    with suppress(OSError):
        path.unlink()
