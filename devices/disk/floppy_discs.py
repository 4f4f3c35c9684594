"""Floppy disks that have been in a machine's drives, and what was written to each, which stays on it as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from devices.copied import copied
from devices.disk.floppy_formats import EXTENDED, FloppyFormat, format_of
from devices.disk.medium import SECTOR, Medium
from devices.disk.overlay import PAGE, Follower, Overlay, page_count
from devices.fitting import Slot
from devices.seam import Pages, Rows

MOST_DISCS = 64
"""What is written to more of them in one machine has nowhere to be."""
_ROOM = 1 << 22
"""Bytes for the sectors of a disc."""
_MAP_ROOM = _ROOM // PAGE // 8
assert page_count(EXTENDED.sectors) * PAGE <= _ROOM


@dataclass(slots=True)
class FloppyDiscsState:
    """Names of media in the order in which they first came: the place of what was written to them."""

    names: list[str] = field(default_factory=list)


class Lengthened:
    """A Medium of `sectors`: another, and zeros behind it."""

    def __init__(self, base: Medium, sectors: int) -> None:
        self.sectors = sectors
        self.read_only = base.read_only
        self._base = base

    def read(self, sector: int, count: int) -> bytes:
        there = min(count, max(0, self._base.sectors - sector))
        data = self._base.read(sector, there) if there else b""
        return data.ljust(count * SECTOR, b"\0")

    def write(self, sector: int, data: bytes) -> None:
        raise AssertionError("nothing writes below an overlay")

    def flush(self) -> None:
        self._base.flush()


@dataclass(frozen=True, slots=True)
class _Part:
    """devices.seam.Pages: some of others."""

    whole: Pages
    start: int
    size: int

    def read(self, offset: int, size: int) -> bytes:
        return self.whole.read(self.start + offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self.whole.write(self.start + offset, data)


@dataclass(frozen=True, slots=True)
class Disc:
    form: FloppyFormat
    overlay: Overlay


class FloppyDiscs:
    """`media` finds a medium by its name; raises MediumError, or None if there is none of that name."""

    name = "floppy-discs"
    title = "floppy disks, and what was written to them"
    State: ClassVar[type[FloppyDiscsState]] = FloppyDiscsState

    def __init__(self, slot: Slot, media: Callable[[str], Medium | None]) -> None:
        self.followers: dict[str, Follower] = {}
        """Of the media that are written besides, by name."""
        self._media = media
        self._data = slot.pages("sectors", MOST_DISCS * _ROOM)
        self._written = slot.pages("map of pages", MOST_DISCS * _MAP_ROOM)
        self._state = FloppyDiscsState()

    def came(self, name: str) -> None:
        """It is in a drive for the first time, or again. Beyond MOST_DISCS it is as none."""
        names = self._state.names
        if name and name not in names and len(names) < MOST_DISCS:
            names.append(name)

    def has_room(self, name: str) -> bool:
        """Whether a medium of that name can come."""
        return name in self._state.names or len(self._state.names) < MOST_DISCS

    def find(self, name: str) -> Disc | None:
        """One that came; None for what is no floppy disk."""
        names = self._state.names
        medium = self._media(name) if name in names else None
        form = format_of(medium.sectors) if medium is not None else None
        if medium is None or form is None:
            return None
        number = names.index(name)
        data, written = _Part(self._data, number * _ROOM, _ROOM), _Part(self._written, number * _MAP_ROOM, _MAP_ROOM)
        overlay = Overlay(lengthened(medium, form.sectors), data, written)
        overlay.follower = self.followers.get(name)
        return Disc(form, overlay)

    def save(self) -> FloppyDiscsState:
        return copied(self._state)

    def restore(self, state: FloppyDiscsState) -> None:
        self._state = copied(state)

    def describe(self, now: int) -> Rows:
        rows: Rows = [("disks", f"{len(self._state.names)} of {MOST_DISCS}")]
        for name in self._state.names:
            disc = self.find(name)
            if disc is not None:
                written = sum(1 for _ in disc.overlay.written()) * PAGE
                rows.append((name, f"{disc.form}, {written} bytes written, kept beside the image"))
        return rows


def lengthened(medium: Medium, sectors: int) -> Medium:
    """With so many sectors."""
    return medium if medium.sectors == sectors else Lengthened(medium, sectors)
