"""What IDENTIFY DEVICE tells of a disk, and IDENTIFY PACKET DEVICE of a CD drive (ATA/ATAPI-7, 6.16 and 6.17)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from devices.disk.geometry import Geometry

MOST_MULTIPLE = 16
"""Sectors a DRQ data block of READ MULTIPLE."""
MOST_TRIM_BLOCKS = 8
"""Of 64 ranges each, in one TRIM."""
MOST_LBA28 = (1 << 28) - 1
DISK_MODEL = "VMDBG HARDDISK"
CD_MODEL = "VMDBG CD-ROM"
FIRMWARE = "1.0"
_COMMANDS_82 = 0x4068
"""NOP, look-ahead, write cache, power management."""
_COMMANDS_83 = 0x7400
"""FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses; bit 14 says that the word is valid."""
_VALID = 0x4000


@dataclass(slots=True)
class Settings:
    """What SET FEATURES, SET MULTIPLE MODE and INITIALIZE DEVICE PARAMETERS set. `dma` is word 63 or 88's choice:
    0x20 + n for multiword mode n, 0x40 + n for Ultra DMA mode n. The default geometry has heads 0.
    """

    multiple: int = 0
    dma: int = 0x42
    write_cache: bool = True
    look_ahead: bool = True
    heads: int = 0
    track: int = 0


def ata_text(text: str, length: int) -> bytes:
    """ASCII padded with spaces, the two bytes of each word exchanged (ATA-7, 3.2.9)."""
    raw = text.encode("ascii", "replace")[:length].ljust(length)
    return b"".join(raw[at + 1 : at + 2] + raw[at : at + 1] for at in range(0, length, 2))


def identify_disk(sectors: int, serial: str, settings: Settings, geometry: Geometry, sata: bool = False) -> bytes:
    """512 bytes. `geometry` is the translation in force; `sata` for a drive behind AHCI."""
    native = Geometry.of(sectors)
    words = _common(serial, DISK_MODEL, settings)
    words[0] = 0x0040
    words[1], words[3], words[6] = native.cylinders, native.heads, native.track
    words[47] = 0x8000 | MOST_MULTIPLE
    words[49] = 0x2F00
    words[54], words[55], words[56] = geometry.cylinders, geometry.heads, geometry.track
    words[57:59] = _halves(geometry.sectors)
    words[59] = 0x0100 | settings.multiple if settings.multiple else 0
    words[60:62] = _halves(min(sectors, MOST_LBA28))
    words[82], words[83], words[84] = _COMMANDS_82, _COMMANDS_83, _VALID
    words[85] = _COMMANDS_82 & ~(0x20 * (not settings.write_cache) | 0x40 * (not settings.look_ahead))
    words[86], words[87] = _COMMANDS_83 & ~_VALID, _VALID
    words[100:104] = [sectors >> 16 * part & 0xFFFF for part in range(4)]
    words[105], words[169] = MOST_TRIM_BLOCKS, 1
    words[217] = 1
    if sata:
        words[76] = 0x0006
        words[93] = 0
    return _with_checksum(words)


def identify_cd(serial: str, settings: Settings, sata: bool = False) -> bytes:
    words = _common(serial, CD_MODEL, settings)
    words[0] = 0x85C0
    words[49] = 0x0B00
    words[82], words[83], words[84] = 0x0210, _VALID, _VALID
    words[85], words[87] = 0x0210, _VALID
    if sata:
        words[76], words[93] = 0x0002, 0
    return _with_checksum(words)


def _common(serial: str, model: str, settings: Settings) -> list[int]:
    words = [0] * 256
    words[10:20] = struct.unpack("<10H", ata_text(serial, 20))
    words[23:27] = struct.unpack("<4H", ata_text(FIRMWARE, 8))
    words[27:47] = struct.unpack("<20H", ata_text(model, 40))
    words[50] = _VALID
    words[51] = 0x0200
    words[53] = 0x0007
    words[63] = 0x0007 | (0x100 << (settings.dma & 7) if settings.dma & 0x20 else 0)
    words[64] = 0x0003
    words[65:69] = [120] * 4
    words[80] = 0x00F0
    words[81] = 0x001A
    words[88] = 0x003F | (0x100 << (settings.dma & 7) if settings.dma & 0x40 else 0)
    words[93] = 0x600B
    return words


def _halves(value: int) -> list[int]:
    return [value & 0xFFFF, value >> 16 & 0xFFFF]


def _with_checksum(words: list[int]) -> bytes:
    """Word 255: all bytes add up to 0 (ATA-7, 6.16.75)."""
    words[255] = 0xA5
    data = struct.pack("<256H", *words)
    return data[:-1] + bytes([-sum(data[:-1]) & 0xFF])
