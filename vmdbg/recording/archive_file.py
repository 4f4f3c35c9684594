"""Pages of memory out of the archives that a recording's media hold, unpacked when they are needed."""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Iterator, Sequence

from devices.disk.overlay import PAGE
from vmdbg.errors import RecordingError
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.page_stash import nameless_file
from vmdbg.recording.archives import EMBEDDED, FORMS, MOST_ARCHIVES, MOST_UNPACKED, Archive
from vmdbg.recording.content import ContentReader
from vmdbg.recording.packed_kernel import KernelForm, KernelForms
from vmdbg.recording.page_ordinals import count_of
from vmdbg.recording.page_records import Archived
from vmdbg.recording.recorded_media import SectorFile
from vmdbg.recording.unpacking import Packing, Unpacker, UnpackingError, unpacker
from vmdbg.units import PAGE_SIZE

_AT_ONCE = 32
"""Pages of a medium that are unpacked between two looks at whether to end."""
_DAMAGED = "an archive that pages of a checkpoint are from is damaged: replay without checkpoints"


class _Output:
    """What came out of an archive so far, in a file that goes with the process."""

    def __init__(self) -> None:
        self.size = 0
        self._file = -1

    def read(self, place: int, length: int) -> bytes:
        """Raises OSError."""
        return os.pread(self._file, length, place)

    def append(self, data: bytes) -> None:
        """Raises OSError."""
        if self._file < 0:
            self._file = nameless_file()
        if os.pwrite(self._file, data, self.size) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(data)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _Opened:
    """An archive, unpacked as far as it was asked for.

    Invariant: a copy of the process, which shares the files, writes what this one writes, where this one writes it.
    """

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.known = 0
        """Pages of the medium that are known to be there."""
        self.lost = False
        """Whether nothing more comes."""
        packing = archive.packing
        self._unpacker: Unpacker | KernelForms = unpacker(packing) if isinstance(packing, Packing) else KernelForms()
        self._outputs: dict[Packing | KernelForm, _Output] = {}
        self._fed = 0

    def output(self, form: Packing | KernelForm) -> _Output:
        return self._outputs.setdefault(form, _Output())

    @property
    def size(self) -> int:
        """Of what is unpacked."""
        return sum(output.size for output in self._outputs.values())

    def unpack(self, pages: Sequence[bytes], room: int) -> None:
        """Go on with the next pages of the medium, for at most `room` bytes more. Raises OSError, UnpackingError."""
        end, data = self.size + room, b"".join(pages)
        for form, unpacked in self._unpacked(data if self._fed else data[self.archive.offset :]):
            if self.size + len(unpacked) > end:
                raise UnpackingError(f"it is larger than {MOST_UNPACKED} bytes")
            self.output(form).append(unpacked)
        self._fed += len(pages)

    def _unpacked(self, data: bytes) -> Iterator[tuple[Packing | KernelForm, bytes]]:
        if isinstance(self._unpacker, KernelForms):
            yield from self._unpacker.feed(data)
        else:
            yield from ((self.archive.packing, unpacked) for unpacked in self._unpacker.feed(data))

    @property
    def next(self) -> int:
        """The page of the medium that it goes on with."""
        return self.archive.number + self._fed

    @property
    def ended(self) -> bool:
        return self._unpacker.ended

    def close(self) -> None:
        for output in self._outputs.values():
            output.close()


class ArchiveFile:
    """Archives on the media of a recording, and among the files that are embedded in it."""

    def __init__(self, sectors: SectorFile, contents: ContentReader) -> None:
        self._sectors = sectors
        self._contents = contents
        self._opened: dict[Archive, _Opened] = {}

    def has(self, archive: Archive, pages: int) -> bool:
        """Whether the recording has so many pages of the medium from the archive's beginning on."""
        opened = self._open(archive)
        if opened is None:
            return False
        while opened.known < pages and self._has_page(archive.medium, archive.number + opened.known):
            opened.known += 1
        return opened.known >= pages

    def _has_page(self, medium: str, number: int) -> bool:
        if medium.startswith(EMBEDDED):
            return self._contents.page(medium.removeprefix(EMBEDDED), number) is not None
        return self._sectors.has(medium, number)

    def _pages(self, medium: str, first: int) -> Iterator[bytes]:
        """Those that there are from a number on, a few. Raises RecordingError."""
        for number in range(first, first + _AT_ONCE):
            if medium.startswith(EMBEDDED):
                page = self._contents.page(medium.removeprefix(EMBEDDED), number)
            else:
                page = self._sectors.page(medium, number)
            if page is None:
                return
            yield page

    def _open(self, archive: Archive) -> _Opened | None:
        """None if there are too many."""
        source = archive.unpacked_as
        if source not in self._opened and len(self._opened) < MOST_ARCHIVES:
            self._opened[source] = _Opened(source)
        return self._opened.get(source)

    def read(self, archive: Archive, place: int, length: int) -> bytes:
        """Some bytes of what is unpacked. Raises RecordingError."""
        opened = self._open(archive)
        if opened is None:
            raise RecordingError(_DAMAGED)
        output = opened.output(archive.packing)
        try:
            while output.size < place + length:
                self._go_on(opened)
            return output.read(place, length)
        except (OSError, UnpackingError) as error:
            opened.lost = True
            raise RecordingError(f"{_DAMAGED} ({error})") from error

    def _go_on(self, opened: _Opened) -> None:
        """Raises RecordingError, OSError, UnpackingError."""
        INTERRUPTION.check()
        pages = list(self._pages(opened.archive.medium, opened.next))
        if not pages or opened.ended or opened.lost:
            raise RecordingError(_DAMAGED)
        with INTERRUPTION.critical():
            opened.unpack(pages, MOST_UNPACKED - sum(other.size for other in self._opened.values()))

    def close(self) -> None:
        for opened in self._opened.values():
            opened.close()


class ArchivedPages:
    """Pages that have bytes of files of an archive."""

    def __init__(self, pages: Archived, archives: ArchiveFile) -> None:
        """Raises RecordingError for what cannot be."""
        self._archives = archives
        self._places, self._lengths = array("I"), array("H")
        known = pages.packing in FORMS and pages.number >= 0 and 0 <= pages.offset < PAGE
        count = count_of(pages.keys)
        if not known or len(pages.places) != 4 * count or len(pages.lengths) != 2 * count:
            raise RecordingError("a block of pages is damaged: its files do not match its digests")
        self._places.frombytes(pages.places)
        self._lengths.frombytes(pages.lengths)
        if max(self._lengths, default=0) > PAGE_SIZE or max(self._places, default=0) > MOST_UNPACKED:
            raise RecordingError("a block of pages is damaged: its files are larger than can be")
        self._archive = Archive(pages.medium, pages.number, pages.offset, FORMS[pages.packing])
        self._pages = pages.pages
        self.size = len(pages.places) + len(pages.lengths)

    def is_there(self, _place: int) -> bool:
        """Whether the file has what it is made of."""
        return self._archives.has(self._archive, self._pages)

    def page(self, place: int, _base: bytes) -> bytes:
        data = self._archives.read(self._archive, self._places[place], self._lengths[place])
        return data.ljust(PAGE_SIZE, b"\0")
