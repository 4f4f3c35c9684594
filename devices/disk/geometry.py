"""Cylinders, heads and sectors: how software older than LBA addresses a disk (ATA-5, 6.2)."""

from __future__ import annotations

from dataclasses import dataclass

_HEADS, _TRACK, _CYLINDERS = 16, 63, 16383


@dataclass(frozen=True, slots=True)
class Geometry:
    """`track` sectors on each, numbered from 1."""

    cylinders: int
    heads: int
    track: int

    @classmethod
    def of(cls, sectors: int) -> Geometry:
        """What a disk says of itself."""
        return cls(max(1, min(_CYLINDERS, sectors // (_HEADS * _TRACK))), _HEADS, _TRACK)

    @classmethod
    def translated(cls, sectors: int, heads: int, track: int) -> Geometry:
        """What INITIALIZE DEVICE PARAMETERS makes of it."""
        return cls(max(1, min(0xFFFF, sectors // (heads * track))), heads, track)

    @property
    def sectors(self) -> int:
        return self.cylinders * self.heads * self.track

    def lba(self, cylinder: int, head: int, sector: int) -> int | None:
        """None for what is nowhere."""
        if not 1 <= sector <= self.track or head >= self.heads:
            return None
        return (cylinder * self.heads + head) * self.track + sector - 1

    def place(self, lba: int) -> tuple[int, int, int]:
        """Cylinder, head and sector."""
        return lba // (self.heads * self.track), lba // self.track % self.heads, lba % self.track + 1
