"""Data that is kept once however often it is needed, in a file that goes with the process."""

from __future__ import annotations

import os

import xxhash

from vmdbg.machine.page_stash import nameless_file


class BlobStash:
    """Bytes by a key that they alone decide; in memory where the host has no room for a file, or in a copy of the
    process that made this.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._file = -1
        self._end = 0
        self._places: dict[bytes, tuple[int, int]] = {}
        self._in_memory: dict[bytes, bytes] = {}

    def __contains__(self, key: bytes) -> bool:
        return key in self._places or key in self._in_memory

    def put(self, data: bytes) -> bytes:
        """Its key."""
        key = xxhash.xxh3_128_digest(data)
        if key not in self and not self._write(key, data):
            self._in_memory[key] = data
        return key

    def _write(self, key: bytes, data: bytes) -> bool:
        if os.getpid() != self._process:
            return False
        try:
            if self._file < 0:
                self._file = nameless_file()
            if os.pwrite(self._file, data, self._end) != len(data):
                return False
        except OSError:
            return False
        self._places[key] = self._end, len(data)
        self._end += len(data)
        return True

    def get(self, key: bytes) -> bytes:
        """One that is there."""
        if key in self._in_memory:
            return self._in_memory[key]
        offset, size = self._places[key]
        return os.pread(self._file, size, offset)

    def close(self) -> None:
        """Nothing of it is needed any more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
