"""What was worked out of large files, on disk, so that it need not be worked out again.

A file of the cache is found by a hash of what it was made from. Trouble with it never stops anyone.
"""

from __future__ import annotations

import os
from pathlib import Path

import xxhash

VERSION = 2
_CHECK = 16


class FileCache:
    """`directory` is made when the first file is written; None is `room` in `$XDG_CACHE_HOME/vmdbg`."""

    def __init__(self, room: str, directory: Path | None = None) -> None:
        self._directory = directory or _directory_of(room)
        """None where the user has no home."""

    def load(self, name: str) -> memoryview | None:
        """What was saved under the name; None if nothing was, or if it is damaged."""
        if self._directory is None:
            return None
        try:
            data = memoryview(_path(self._directory, name).read_bytes())
        except OSError:
            return None
        return data[_CHECK:] if xxhash.xxh3_128_digest(data[_CHECK:]) == data[:_CHECK] else None

    def save(self, name: str, data: bytes) -> None:
        if self._directory is None:
            return
        target = _path(self._directory, name)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(f".{os.getpid()}")
            partial.write_bytes(xxhash.xxh3_128_digest(data) + data)
            partial.replace(target)
        except OSError:
            return


def _directory_of(room: str) -> Path | None:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmdbg" / room
    except RuntimeError:
        return None


def _path(directory: Path, name: str) -> Path:
    return directory / f"{name}.{VERSION}"
