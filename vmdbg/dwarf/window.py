"""A part of a file as a stream that reads only what is asked for: debug information of a kernel is 500 MB."""

from __future__ import annotations

from collections.abc import Callable, Iterator

CHUNK = 1 << 16
MAX_CHUNKS = 64
SEARCHED = 1 << 23
"""Bytes looked through at once."""

ReadAt = Callable[[int, int], bytes]
"""Offset and size to bytes; fewer at the end of the file."""


class Window:
    """Bytes [start, start + size) of a file. What pyelftools needs of a stream, and a search."""

    def __init__(self, read_at: ReadAt, start: int, size: int) -> None:
        self._read_at = read_at
        self._start = start
        self.size = size
        self._position = 0
        self._chunks: dict[int, bytes] = {}

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = max(0, offset + (0, self._position, self.size)[whence])
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        position = self._position
        index, inside = divmod(position, CHUNK)
        chunk = self._chunks.get(index) or self._load(index)
        if size < 0 or inside + size > len(chunk):
            return self._read_across(size)
        self._position = position + size
        return chunk[inside : inside + size]

    def _read_across(self, size: int) -> bytes:
        left = max(0, self.size - self._position)
        data = self.at(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data

    def at(self, offset: int, size: int) -> bytes:
        """Bytes from an offset on, fewer at the end; the position stays."""
        return self._read_at(self._start + offset, max(0, min(size, self.size - offset)))

    def _load(self, index: int) -> bytes:
        if len(self._chunks) >= MAX_CHUNKS:
            self._chunks.clear()
        chunk = self._chunks[index] = self.at(index * CHUNK, CHUNK)
        return chunk

    def find_all(self, needle: bytes) -> Iterator[int]:
        """Every offset at which the bytes are, in order."""
        overlap = len(needle) - 1
        for base in range(0, self.size, SEARCHED):
            data = self.at(base, SEARCHED + overlap)
            found = data.find(needle)
            while found >= 0:
                yield base + found
                found = data.find(needle, found + 1)
