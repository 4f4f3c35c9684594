"""Archives that a guest reads and unpacks into its memory file by file, as Linux does with its initramfs.

Of such a page of memory it is enough to say which bytes of which archive it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from devices.disk.medium import SECTOR
from devices.disk.overlay import PAGE
from vmdbg.recording.cpio import CpioFiles
from vmdbg.recording.unpacking import FIRST_BYTES, Packing, UnpackingError, packing_at, unpacker
from vmdbg.timeline.pages import page_key
from vmdbg.units import PAGE_SIZE

MOST_UNPACKED = 1 << 29
"""Bytes, of all archives of a recording together."""
MOST_ARCHIVES = 16
MOST_KNOWN = 1 << 17
"""Pages of files that are known by their contents."""
EMBEDDED = "sha256:"
"""Before the SHA-256 of an embedded file, which stands where the name of a medium may."""
_MOST_BEGUN = 4
"""What may be archives, of which more is awaited."""


class Archive(NamedTuple):
    """Where a packed one begins: in which byte of which page of which medium, or embedded file. The pages after it have
    the rest.
    """

    medium: str
    number: int
    offset: int
    packing: Packing


class FilePage(NamedTuple):
    """A page of memory that has some bytes of an archive, and zeros after them."""

    archive: Archive
    place: int
    """Where in what is unpacked of it."""
    length: int
    pages: int
    """Of the medium, that it takes to unpack them."""


class _Begun:
    """An archive of which some was read."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.pages = 0
        self.unpacker = unpacker(archive.packing)
        self.files = CpioFiles()

    @property
    def ended(self) -> bool:
        return self.files.ended or self.unpacker.ended

    def goes_on_with(self, medium: str, number: int) -> bool:
        return number == self.archive.number + self.pages and medium == self.archive.medium


class Archives:
    """The pages of archives' files, from what is read of media."""

    def __init__(self) -> None:
        self._begun: list[_Begun] = []
        self._known: dict[bytes, FilePage] = {}
        self._archives: set[Archive] = set()
        self._unpacked = 0

    def take(self, key: bytes) -> FilePage | None:
        """The page of that key (page_key()), which is then known no longer: who asks needs it once."""
        return self._known.pop(key, None)

    def note(self, medium: str, pages: Sequence[tuple[int, bytes]]) -> None:
        """Pages of a medium were read: their numbers, and 4096 bytes each."""
        for number, data in pages:
            for begun in [begun for begun in self._begun if begun.goes_on_with(medium, number)]:
                self._go_on(begun, data)
            if FIRST_BYTES.isdisjoint(data[::SECTOR]):
                continue
            for offset in range(0, PAGE, SECTOR):
                packing = packing_at(data, offset)
                if packing is not None and len(self._archives) < MOST_ARCHIVES:
                    self._begin(Archive(medium, number, offset, packing), data[offset:])

    def _begin(self, archive: Archive, data: bytes) -> None:
        del self._begun[: len(self._begun) + 1 - _MOST_BEGUN]
        begun = _Begun(archive)
        self._begun.append(begun)
        self._go_on(begun, data)

    def _go_on(self, begun: _Begun, data: bytes) -> None:
        begun.pages += 1
        try:
            self._unpack(begun, data)
        except UnpackingError:
            self._begun.remove(begun)
            return
        if begun.ended or self._unpacked > MOST_UNPACKED:
            self._begun.remove(begun)

    def _unpack(self, begun: _Begun, data: bytes) -> None:
        """Raises UnpackingError."""
        for unpacked in begun.unpacker.feed(data):
            self._unpacked += len(unpacked)
            if self._unpacked > MOST_UNPACKED:
                return
            for place, content in begun.files.feed(unpacked):
                if len(self._known) < MOST_KNOWN:
                    page = FilePage(begun.archive, place, len(content), begun.pages)
                    self._known.setdefault(page_key(content.ljust(PAGE_SIZE, b"\0")), page)
                    self._archives.add(begun.archive)
