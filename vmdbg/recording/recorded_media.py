"""Media of a recording: what was read of them, and the rest out of images that the user gives."""

from __future__ import annotations

import contextlib
import shlex
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from devices.disk.medium import MOST_SECTORS, SECTOR, MediumError
from devices.disk.overlay import PAGE
from vmdbg.document.printable import printable
from vmdbg.errors import RecordingError, UserError
from vmdbg.images.opening import open_image
from vmdbg.images.sectors import ImageSectors
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.media import Media, Source
from vmdbg.recording.blocks import Block, read_payload
from vmdbg.recording.known_digests import KnownDigests
from vmdbg.recording.records import MediumRecord, Sectors, decode

_PAGE_SECTORS = PAGE // SECTOR
_AT_HAND = 16
_LONGEST_NAME = 1000
MOST_MEDIA = 1000


class NotRecordedError(RecordingError, MediumError):
    """The guest wants what it had not read when it was recorded."""


class SectorFile:
    """The SECTORS blocks of a recording, by medium, read when they are needed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._blocks: list[Block] = []
        self._where: dict[str, dict[int, tuple[int, int]]] | None = None
        self._at_hand: OrderedDict[int, Sectors] = OrderedDict()

    def add(self, block: Block) -> None:
        self._blocks.append(block)
        self._where = None

    def _index(self) -> dict[str, dict[int, tuple[int, int]]]:
        """Where each page of each medium is: the number of its block, and its place in it. Damaged ones hold none."""
        if self._where is None:
            self._where = {}
            for number in range(len(self._blocks)):
                try:
                    sectors = self._read(number)
                except RecordingError:
                    continue
                known = self._where.setdefault(sectors.medium, {})
                known.update({page: (number, place) for place, page in enumerate(_numbers(sectors))})
        return self._where

    def _read(self, number: int) -> Sectors:
        found = self._at_hand.get(number)
        if found is None:
            found = decode(read_payload(self._file, self._blocks[number]), Sectors, "a block of sectors")
            if len(found.numbers) % 8 or len(found.numbers) // 8 * PAGE != len(found.data):
                raise RecordingError("a block of sectors is damaged: its contents do not match its numbers")
            self._at_hand[number] = found
            if len(self._at_hand) > _AT_HAND:
                self._at_hand.popitem(last=False)
        return found

    def has(self, medium: str, number: int) -> bool:
        """Whether there is that page of a medium."""
        return number in self._index().get(medium, {})

    def numbers(self, medium: str) -> list[int]:
        """The pages that there are of a medium, ascending."""
        return sorted(self._index().get(medium, {}))

    def page(self, medium: str, number: int) -> bytes | None:
        """None if it is not there. Raises RecordingError."""
        where = self._index().get(medium, {}).get(number)
        if where is None:
            return None
        block, place = where
        return self._read(block).data[place * PAGE : (place + 1) * PAGE]


def _numbers(sectors: Sectors) -> array[int]:
    numbers = array("Q")
    numbers.frombytes(sectors.numbers)
    return numbers


class RecordedMedium:
    """A Source: a recording's pages of a medium. `image` has the others, if it was given; else `why` says of what was
    given why none is it.
    """

    read_only = True

    def __init__(self, record: MediumRecord, pages: SectorFile, image: Source | None = None, why: str = "") -> None:
        self.record = record
        self.sectors = record.sectors
        self._pages = pages
        self._image = image
        self._why = why

    def read(self, sector: int, count: int) -> bytes:
        first, end = sector // _PAGE_SECTORS, -(-(sector + count) // _PAGE_SECTORS)
        start = (sector - first * _PAGE_SECTORS) * SECTOR
        return b"".join(map(self._page, range(first, end)))[start : start + count * SECTOR]

    def _page(self, number: int) -> bytes:
        try:
            page = self._pages.page(self.record.name, number)
        except RecordingError as error:
            raise NotRecordedError(f"sectors of {printable(self.record.name)} are lost: {error}") from None
        if page is not None:
            return page
        first = number * _PAGE_SECTORS
        if self._image is None:
            name = printable(self.record.name)
            raise NotRecordedError(
                f"sector {first} of {name} is wanted, which the guest had not read when this was recorded, so that it "
                f"is not in the recording: give the image with --left-out {name}{self._why}"
            )
        return self._image.read(first, min(_PAGE_SECTORS, self.sectors - first)).ljust(PAGE, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("nothing writes below an overlay")

    def flush(self) -> None:
        """Nothing is written."""

    def open_for_writing(self) -> None:
        raise UserError(
            f"{printable(self.record.name)} is that of a recording, whose image is nobody's to change: `disk export` "
            "writes the whole disk to a new image"
        )

    def recorded(self) -> list[int]:
        end = -(-self.sectors // _PAGE_SECTORS)
        return [number for number in self._pages.numbers(self.record.name) if number < end]

    def lasts(self, number: int) -> bool:
        """Whether the recording has it."""
        with contextlib.suppress(RecordingError):
            return self._pages.page(self.record.name, number) is not None
        return False

    @property
    def known_digest(self) -> str:
        """Of the whole image, most of which may not be here."""
        return self.record.digest

    def extents(self) -> Iterator[tuple[int, int]]:
        if self._image is not None:
            yield from self._image.extents()
            return
        for number in self.recorded():
            yield number * PAGE, (number + 1) * PAGE

    def close(self) -> None:
        if self._image is not None:
            self._image.close()


def check_medium(record: MediumRecord) -> None:
    """Raises RecordingError for what no drive can have."""
    if not 0 < len(record.name) <= _LONGEST_NAME or not 0 < record.sectors <= MOST_SECTORS:
        raise RecordingError("a medium is damaged: it has no name, or no size that can be")


def recorded_media(
    records: Mapping[str, MediumRecord], pages: SectorFile, given: Sequence[Path]
) -> tuple[Media, list[Path]]:
    """The media of a recording, with those of the files `given` that are images of them; and the files that are not.

    Raises UserError for one that looks like a medium of the recording and is not.
    """
    media, used = Media(), set[Path]()
    try:
        for record in records.values():
            media.add(record.name, RecordedMedium(record, pages, *_image_of(record, pages, given, used)))
    except BaseException:
        media.close()
        raise
    return media, [path for path in given if path not in used]


def _image_of(
    record: MediumRecord, pages: SectorFile, given: Sequence[Path], used: set[Path]
) -> tuple[Source | None, str]:
    """The image that holds the medium, whose path is added to those used: one may have been put in several times. If
    there is none, why none of those given is it.
    """
    alike, others = list[str](), list[str]()
    for path in given:
        source, why = _opened(path, [other for other in given if other != path])
        if source is None:
            others.append(why)
            continue
        if source.sectors == record.sectors and _is_that(record, pages, source):
            used.add(path)
            return source, ""
        name = printable(str(path))
        if source.sectors == record.sectors:
            alike.append(name)
        else:
            others.append(why or f"{name} has {source.sectors:,} sectors, not its {record.sectors:,}")
        source.close()
    if alike:
        raise UserError(
            f"{', '.join(alike)} is not {printable(record.name)} as it was recorded: it has changed since, "
            "or is another of the same size; give the one that it was, or none"
        )
    return None, "".join(f"; {one}" for one in others)


def _opened(path: Path, others: Sequence[Path]) -> tuple[Source | None, str]:
    """None for what is no image; and what was wrong with it, if it had to be opened with the others behind it."""
    try:
        return ImageSectors(open_image(str(path), named=lambda backing: f"--left-out {shlex.quote(backing)}")), ""
    except UserError as error:
        with contextlib.suppress(UserError):
            return ImageSectors(open_image(str(path), backing=tuple(map(str, others)))), str(error)
        return None, str(error)


def _is_that(record: MediumRecord, pages: SectorFile, source: Source) -> bool:
    """Every page that was recorded is in it, and it has the digest that was recorded."""
    for number in pages.numbers(record.name):
        first = number * _PAGE_SECTORS
        count = min(_PAGE_SECTORS, record.sectors - first)
        if count > 0 and source.read(first, count).ljust(PAGE, b"\0") != pages.page(record.name, number):
            return False
    same = not record.digest or KnownDigests().digest(source) == record.digest
    INTERRUPTION.check()
    return same
