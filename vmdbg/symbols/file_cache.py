"""What was worked out of large symbol files, on disk, so that it need not be worked out again.

A file of the cache is found by a hash of what it was made from. Trouble with it never stops anyone.
"""

from __future__ import annotations

import os
from pathlib import Path

import xxhash

VERSION = 2
_CHECK = 16


class FileCache:
    """`directory` is made when the first file is written; None is `$XDG_CACHE_HOME/vmdbg/symbols`."""

    def __init__(self, directory: Path | None = None) -> None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.directory = directory or base / "vmdbg" / "symbols"

    def load(self, name: str) -> memoryview | None:
        """What was saved under the name; None if nothing was, or if it is damaged."""
        try:
            data = memoryview(self._path(name).read_bytes())
        except OSError:
            return None
        return data[_CHECK:] if xxhash.xxh3_128_digest(data[_CHECK:]) == data[:_CHECK] else None

    def save(self, name: str, data: bytes) -> None:
        target = self._path(name)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(f".{os.getpid()}")
            partial.write_bytes(xxhash.xxh3_128_digest(data) + data)
            partial.replace(target)
        except OSError:
            return

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.{VERSION}"
