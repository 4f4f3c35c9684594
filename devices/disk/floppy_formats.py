"""What floppy disks there are, and the drives that take them.

Source: ECMA-99, ECMA-100, ECMA-125 and ISO/IEC 10994 for layouts; IBM's AT Technical Reference and SeaBIOS for the
codes of drives in CMOS; the longer formats are those that distributors and fdformat used.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from devices.disk.medium import SECTOR


@dataclass(frozen=True, slots=True)
class FloppyFormat:
    """`track` sectors on each side of each cylinder, numbered from 1."""

    cylinders: int
    heads: int
    track: int

    @property
    def sectors(self) -> int:
        return self.cylinders * self.heads * self.track

    def lba(self, cylinder: int, head: int, sector: int) -> int:
        """Where it is in an image."""
        return (cylinder * self.heads + head) * self.track + sector - 1

    def __str__(self) -> str:
        return f"{self.sectors * SECTOR >> 10} KiB"


DOUBLE_40 = tuple(FloppyFormat(40, heads, track) for heads in (1, 2) for track in (8, 9))
DOUBLE_80 = tuple(FloppyFormat(*form) for form in ((80, 2, 8), (80, 2, 9), (80, 2, 10), (82, 2, 10)))
HIGH_5 = (FloppyFormat(80, 2, 15),)
STANDARD = FloppyFormat(80, 2, 18)
HIGH_3 = (STANDARD, *(FloppyFormat(*form) for form in ((80, 2, 20), (80, 2, 21), (82, 2, 21), (83, 2, 21))))
EXTENDED = FloppyFormat(80, 2, 36)


class Rate(enum.IntEnum):
    """Data rates in the code of DSR and CCR."""

    K500 = 0
    K300 = 1
    K250 = 2
    M1 = 3


class DriveType(enum.IntEnum):
    """As CMOS has them at 10h."""

    FIVE_360 = 1
    FIVE_1200 = 2
    THREE_720 = 3
    THREE_1440 = 4
    THREE_2880 = 5

    @property
    def cylinders(self) -> int:
        """How many the head reaches."""
        return 42 if self is DriveType.FIVE_360 else 84

    def rate(self, disc: FloppyFormat) -> Rate | None:
        """At which a disc's data comes; None for one that does not fit, or that it cannot read."""
        return next((rate for formats, rate in _READS[self] if disc in formats), None)

    def skips(self, disc: FloppyFormat) -> bool:
        """Whether the head moves two steps from one of the disc's cylinders to the next."""
        return self is not DriveType.FIVE_360 and disc in DOUBLE_40

    def __str__(self) -> str:
        return _NAMES[self]


_READS: dict[DriveType, tuple[tuple[tuple[FloppyFormat, ...], Rate], ...]] = {
    DriveType.FIVE_360: ((DOUBLE_40, Rate.K250),),
    DriveType.FIVE_1200: ((HIGH_5, Rate.K500), (DOUBLE_40, Rate.K300)),
    DriveType.THREE_720: ((DOUBLE_80, Rate.K250),),
    DriveType.THREE_1440: ((HIGH_3, Rate.K500), (DOUBLE_80, Rate.K250)),
    DriveType.THREE_2880: (((EXTENDED,), Rate.M1), (HIGH_3, Rate.K500), (DOUBLE_80, Rate.K250)),
}
_NAMES = {
    DriveType.FIVE_360: '5.25", 360 KiB',
    DriveType.FIVE_1200: '5.25", 1.2 MiB',
    DriveType.THREE_720: '3.5", 720 KiB',
    DriveType.THREE_1440: '3.5", 1.44 MiB',
    DriveType.THREE_2880: '3.5", 2.88 MiB',
}
_FORMATS = {form.sectors: form for form in (*DOUBLE_40, *DOUBLE_80, *HIGH_5, *HIGH_3, EXTENDED)}
_DRIVES = (DriveType.FIVE_360, DriveType.FIVE_1200, DriveType.THREE_1440, DriveType.THREE_2880)


def format_of(sectors: int) -> FloppyFormat | None:
    """The layout of a disc whose image has so many; None if no disc has.

    What has the size of none is a 1.44 MiB disc where that has room for it, else one of 2.88 MiB, with zeros behind.
    """
    if sectors in _FORMATS:
        return _FORMATS[sectors]
    return next((form for form in (STANDARD, EXTENDED) if 0 < sectors <= form.sectors), None)


def drive_for(disc: FloppyFormat) -> DriveType:
    """The drive that such a disc is used in."""
    return next(drive for drive in _DRIVES if drive.rate(disc) is not None)
