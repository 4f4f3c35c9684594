"""Digests of the host's images that were taken before: one that nobody has written since is not read again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import xxhash

from vmdbg.file_cache import FileCache
from vmdbg.images.image import Provenance
from vmdbg.images.sectors import ImageSectors
from vmdbg.machine.media import Source
from vmdbg.recording.media_digest import Contents, content_digest

VERSION = 1
SETTLED_SECONDS = 60
"""How long ago a file has to have been written for its times to tell of the next write, wherever they are kept: what is
written by mmap() changes them again only after it was written back, which takes Linux 35 s, and FAT's are of 2 s."""
_DIGEST = re.compile(rb"[0-9a-f]{64}")


class KnownDigests:
    """`directory` is where they are kept, `clock` the time in nanoseconds since 1970."""

    def __init__(self, directory: Path | None = None, clock: Callable[[], int] = time.time_ns) -> None:
        self._files = FileCache("images", directory)
        self._clock = clock

    def digest(
        self,
        source: Source,
        contents: Contents | None = None,
        most: int | None = None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> str:
        """content_digest() of a source, which is read as `contents` says. Raises MediumError."""
        provenance = _provenance(source)
        what = repr((VERSION, source.sectors, [(form, *astuple(one)) for form, one in provenance or ()])).encode()
        name = xxhash.xxh3_128_hexdigest(what)
        if provenance is not None and (known := self._find(name, what)):
            return known
        began = self._clock()
        found = content_digest(contents or source, most, is_over)
        if found and provenance is not None and _settled(provenance, began) and _provenance(source) == provenance:
            self._files.save(name, found.encode() + what)
        return found

    def _find(self, name: str, what: bytes) -> str:
        """ "" if it is not known."""
        kept = bytes(self._files.load(name) or b"")
        found = _DIGEST.match(kept)
        return found[0].decode() if found is not None and kept[found.end() :] == what else ""


def _provenance(source: Source) -> Provenance | None:
    return source.image.provenance if isinstance(source, ImageSectors) else None


def _settled(provenance: Provenance, now: int) -> bool:
    """Whether whoever has written one of the files after that has given it other times than it had."""
    latest = max(max(identity.modified, identity.changed) for _, identity in provenance)
    return now - latest >= SETTLED_SECONDS * 10**9
