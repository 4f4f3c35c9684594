"""Archives that a guest reads and unpacks into its memory: file by file, as Linux does with its initramfs, or as a
whole, as it does with itself.

Of such a page of memory it is enough to say which bytes of which archive it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from devices.disk.medium import SECTOR
from devices.disk.overlay import PAGE
from vmdbg.recording.cpio import CpioFiles
from vmdbg.recording.packed_kernel import (
    BOOT_SIGNATURE,
    BOOT_SIGNATURE_AT,
    KernelForm,
    KernelForms,
    may_be_kernel,
)
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
MOST_WAITING = 1 << 13
"""Pages of a kernel that are kept until it is seen in memory: not each that is read is run."""
FORMS: dict[str, Packing | KernelForm] = {**Packing.__members__, **KernelForm.__members__}
"""By the names that they have in files."""


class Archive(NamedTuple):
    """Where a packed one begins: in which byte of which page of which medium, or embedded file. The pages after it have
    the rest.
    """

    medium: str
    number: int
    offset: int
    packing: Packing | KernelForm

    @property
    def unpacked_as(self) -> Archive:
        """The one together with which it is unpacked."""
        return self._replace(packing=KernelForm.KERNEL) if self.packing in KernelForm else self


class FilePage(NamedTuple):
    """A page of memory that has some bytes of an archive, and zeros after them."""

    archive: Archive
    place: int
    """Where in what is unpacked of it."""
    length: int
    pages: int
    """Of the medium, that it takes to unpack them."""


_Found = Iterator[tuple[Archive, int, bytes]]
"""Pages: what they are of, where in that they are, and their bytes."""


class _Contents(Protocol):
    """What an archive has, as far as it was unpacked."""

    unpacked: int
    """Bytes."""

    @property
    def wants(self) -> int:
        """Bytes that may still be put in."""
        ...

    def feed(self, data: bytes) -> _Found:
        """What is whole with this. Raises UnpackingError."""
        ...


class _Files:
    def __init__(self, archive: Archive, packing: Packing) -> None:
        self.unpacked = 0
        self._archive = archive
        self._unpacker = unpacker(packing)
        self._files = CpioFiles()

    @property
    def wants(self) -> int:
        return 0 if self._files.ended or self._unpacker.ended else MOST_UNPACKED

    def feed(self, data: bytes) -> _Found:
        for unpacked in self._unpacker.feed(data):
            self.unpacked += len(unpacked)
            for place, content in self._files.feed(unpacked):
                yield self._archive, place, content


class _Row:
    """What comes one after the other, in pages."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._rest = bytearray()
        self._place = 0

    def feed(self, data: bytes) -> _Found:
        self._rest += data
        whole = len(self._rest) // PAGE_SIZE * PAGE_SIZE
        for at in range(0, whole, PAGE_SIZE):
            yield self._archive, self._place + at, bytes(self._rest[at : at + PAGE_SIZE])
        del self._rest[:whole]
        self._place += whole


class _Kernel:
    def __init__(self, archive: Archive) -> None:
        self.unpacked = 0
        self._forms = KernelForms()
        self._rows = {form: _Row(archive._replace(packing=form)) for form in KernelForm}

    @property
    def wants(self) -> int:
        return self._forms.wants

    def feed(self, data: bytes) -> _Found:
        for form, unpacked in self._forms.feed(data):
            self.unpacked += len(unpacked)
            yield from self._rows[form].feed(unpacked)


class _Begun:
    """An archive of which some was read. Of a kernel no more than the first pages are unpacked until it is `run`."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.fed = 0
        """Pages of the medium that were put in."""
        packing = archive.packing
        self.run = isinstance(packing, Packing)
        self.contents: _Contents = _Files(archive, packing) if isinstance(packing, Packing) else _Kernel(archive)
        self._waiting = deque[bytes]()
        self._waits = False

    @property
    def wants_no_more(self) -> bool:
        waiting = len(self._waiting)
        return waiting >= MOST_WAITING or self.contents.wants <= PAGE * waiting

    def goes_on_with(self, medium: str, number: int) -> bool:
        next_one = self.archive.number + self.fed + len(self._waiting)
        return number == next_one and medium == self.archive.medium and not self.wants_no_more

    def feed(self, data: bytes) -> Iterator[tuple[FilePage, bytes]]:
        """Pages that are whole with this. Raises UnpackingError."""
        self._waiting.append(data)
        yield from self.go_on()

    def go_on(self) -> Iterator[tuple[FilePage, bytes]]:
        """Pages that are whole with what waits, if it does not have to. Raises UnpackingError."""
        while self._waiting and (self.run or not self._waits):
            data = self._waiting.popleft()
            self.fed += 1
            for archive, place, content in self.contents.feed(data):
                self._waits = True
                yield FilePage(archive, place, len(content), self.fed), content


class Archives:
    """The pages of archives' files, from what is read of media."""

    def __init__(self) -> None:
        self._begun: list[_Begun] = []
        self._known: dict[bytes, FilePage] = {}
        self._archives: set[Archive] = set()
        self._unpacked = 0

    def take(self, key: bytes) -> FilePage | None:
        """The page of that key (page_key()), which is then known no longer: who asks needs it once."""
        page = self._known.pop(key, None)
        if page is not None and page.archive.packing in KernelForm:
            self._run(page.archive.unpacked_as)
        return page

    def _run(self, kernel: Archive) -> None:
        """It is seen in memory: know all of it."""
        for begun in [begun for begun in self._begun if begun.archive == kernel and not begun.run]:
            begun.run = True
            self._know(begun, begun.go_on())

    def note(self, medium: str, pages: Sequence[tuple[int, bytes]]) -> None:
        """Pages of a medium were read: their numbers, and 4096 bytes each."""
        for number, data in pages:
            for begun in [begun for begun in self._begun if begun.goes_on_with(medium, number)]:
                self._know(begun, begun.feed(data))
            if FIRST_BYTES.isdisjoint(data[::SECTOR]) and BOOT_SIGNATURE[0] not in data[BOOT_SIGNATURE_AT::SECTOR]:
                continue
            for offset in range(0, PAGE, SECTOR):
                packing = KernelForm.KERNEL if may_be_kernel(data, offset) else packing_at(data, offset)
                if packing is not None and len(self._archives) < MOST_ARCHIVES:
                    self._begin(Archive(medium, number, offset, packing), data[offset:])

    def _begin(self, archive: Archive, data: bytes) -> None:
        begun = _Begun(archive)
        self._begun.append(begun)
        self._know(begun, begun.feed(data))
        del self._begun[:-_MOST_BEGUN]

    def _know(self, begun: _Begun, pages: Iterator[tuple[FilePage, bytes]]) -> None:
        """Pages that an archive goes on with."""
        before = begun.contents.unpacked
        try:
            for page, content in pages:
                if self._unpacked + begun.contents.unpacked - before > MOST_UNPACKED:
                    break
                if len(self._known) < MOST_KNOWN and self._has_room_for(page.archive):
                    self._known.setdefault(page_key(content.ljust(PAGE_SIZE, b"\0")), page)
        except UnpackingError:
            self._begun.remove(begun)
            return
        finally:
            self._unpacked += begun.contents.unpacked - before
        if not begun.contents.wants or self._unpacked > MOST_UNPACKED:
            self._begun.remove(begun)

    def _has_room_for(self, archive: Archive) -> bool:
        """Whoever reads the recording has it for so many."""
        if len(self._archives) < MOST_ARCHIVES:
            self._archives.add(archive)
        return archive in self._archives
