"""A disk with an EFI system partition, made of bytes: a protective MBR, a GPT, FAT12 and one program."""

from __future__ import annotations

import struct
import zlib

SECTOR = 512
FIRST, SECTORS = 64, 2880
"""The partition."""
DISK_SECTORS = FIRST + SECTORS + 64
_ESP = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")
_GUID = bytes(range(16))
_RESERVED, _FATS, _FAT_SECTORS, _ROOT_ENTRIES = 1, 2, 9, 224
_DIRECTORY = 0x10


def efi_program(code: bytes) -> bytes:
    """A PE32+ image of one section at 1000h that begins with `code`."""
    size = -(-len(code) // SECTOR) * SECTOR
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 0xF0, 0x0206)
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, size, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0, 0x1000, SECTOR, 0, 0, 0, 0, 0, 0, 0, 0x1000 + size, SECTOR, 0, 10, 0)
    optional += struct.pack("<QQQQII", 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    section = b".text".ljust(8, b"\0") + struct.pack("<IIIIIIHHI", size, 0x1000, size, SECTOR, 0, 0, 0, 0, 0x6000_0020)
    return (header + coff + optional + section).ljust(SECTOR, b"\0") + code.ljust(size, b"\0")


def efi_disk(program: bytes) -> bytes:
    """A disk whose \\EFI\\BOOT\\BOOTX64.EFI is the program."""
    partition = efi_partition(program)
    disk = bytearray(DISK_SECTORS * SECTOR)
    disk[446:462] = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, DISK_SECTORS - 1)
    disk[510:512] = b"\x55\xaa"
    entry = (
        _ESP + _GUID + struct.pack("<QQQ", FIRST, FIRST + SECTORS - 1, 0) + "ESP".encode("utf-16-le").ljust(72, b"\0")
    )
    entries = entry.ljust(128 * 128, b"\0")
    last = DISK_SECTORS - 1
    disk[SECTOR : SECTOR + 92] = _gpt_header(1, last, 2, entries)
    disk[2 * SECTOR : 2 * SECTOR + len(entries)] = entries
    disk[last * SECTOR : last * SECTOR + 92] = _gpt_header(last, 1, last - 32, entries)
    disk[(last - 32) * SECTOR : last * SECTOR] = entries
    disk[FIRST * SECTOR : FIRST * SECTOR + len(partition)] = partition
    return bytes(disk)


def _gpt_header(here: int, other: int, table: int, entries: bytes) -> bytes:
    fields = struct.pack(
        "<QQQQ16sQIII", here, other, 34, DISK_SECTORS - 34, _GUID, table, 128, 128, zlib.crc32(entries)
    )
    plain = b"EFI PART" + struct.pack("<IIII", 0x10000, 92, 0, 0) + fields
    return plain[:16] + struct.pack("<I", zlib.crc32(plain)) + plain[20:]


def efi_partition(program: bytes) -> bytes:
    """A FAT12 file system: cluster 2 is \\EFI, 3 is \\EFI\\BOOT, the program begins at 4."""
    clusters = -(-len(program) // SECTOR)
    boot = b"\xeb\x3c\x90MSDOS5.0" + struct.pack(
        "<HBHBHHBHHHII", SECTOR, 1, _RESERVED, _FATS, _ROOT_ENTRIES, SECTORS, 0xF0, _FAT_SECTORS, 18, 2, 0, 0
    )
    boot += struct.pack("<BBBI11s8s", 0, 0, 0x29, 1, b"ESP        ", b"FAT12   ")
    chain = [0xFF0, 0xFFF, 0xFFF, 0xFFF, *range(5, 4 + clusters), 0xFFF]
    bits = sum(value << 12 * n for n, value in enumerate(chain))
    fat = bits.to_bytes(_FAT_SECTORS * SECTOR, "little")
    root = _entry(b"EFI        ", _DIRECTORY, 2, 0).ljust(_ROOT_ENTRIES * 32, b"\0")
    efi = _entry(b".          ", _DIRECTORY, 2, 0) + _entry(b"..         ", _DIRECTORY, 0, 0)
    efi += _entry(b"BOOT       ", _DIRECTORY, 3, 0)
    directory = _entry(b".          ", _DIRECTORY, 3, 0) + _entry(b"..         ", _DIRECTORY, 2, 0)
    directory += _entry(b"BOOTX64 EFI", 0x20, 4, len(program))
    data = efi.ljust(SECTOR, b"\0") + directory.ljust(SECTOR, b"\0") + program
    return boot.ljust(510, b"\0") + b"\x55\xaa" + fat * _FATS + root + data


def _entry(name: bytes, attributes: int, cluster: int, size: int) -> bytes:
    return struct.pack("<11sB14xHI", name, attributes, cluster, size)
