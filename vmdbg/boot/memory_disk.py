"""The file that a boot sector came from, kept in the guest's memory and served by INT 13h as its disk.

As MEMDISK of the Syslinux project does it: the image lies at the end of RAM, which the memory map does not offer to the
guest. Writes change it there, and so are part of a recording; the file stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.units import Physical

SECTOR = 512
FIRST_FLOPPY, FIRST_HARD_DISK = 0x00, 0x80
_MOST_CYLINDERS = 1024
_HARD_DISK_TRACK = 63
_HARD_DISK_HEADS = (16, 32, 64, 128, 255)
_FEWEST_CYLINDERS = 2

_FLOPPIES = {
    160: (40, 1, 8, 1),
    180: (40, 1, 9, 1),
    320: (40, 2, 8, 1),
    360: (40, 2, 9, 1),
    720: (80, 2, 9, 3),
    1200: (80, 2, 15, 2),
    1440: (80, 2, 18, 4),
    2880: (80, 2, 36, 5),
}
"""By KiB: cylinders, heads, sectors a track and the drive's type as INT 13h/08h tells it."""


@dataclass(frozen=True, slots=True)
class MemoryDisk:
    """Where the image is, how it is addressed, and as which drive. `floppy_type` is 0 for a hard disk."""

    address: Physical
    sectors: int
    drive: int
    floppy_type: int
    cylinders: int
    heads: int
    per_track: int


def memory_disk(address: Physical, size: int) -> MemoryDisk:
    """A floppy where the size is that of one, else a hard disk, as QEMU takes a file given as one."""
    sectors = -(-size // SECTOR)
    floppy = _FLOPPIES.get(sectors // 2) if sectors % 2 == 0 else None
    if floppy is not None:
        cylinders, heads, per_track, kind = floppy
        return MemoryDisk(address, sectors, FIRST_FLOPPY, kind, cylinders, heads, per_track)
    heads = next((h for h in _HARD_DISK_HEADS if sectors <= h * _HARD_DISK_TRACK * _MOST_CYLINDERS), 255)
    cylinders = min(max(sectors // (heads * _HARD_DISK_TRACK), _FEWEST_CYLINDERS), _MOST_CYLINDERS)
    return MemoryDisk(address, sectors, FIRST_HARD_DISK, 0, cylinders, heads, _HARD_DISK_TRACK)
