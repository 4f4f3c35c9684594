"""`etc/table-loader`: what firmware does to put tables in memory, as commands.

Source: QEMU, hw/acpi/bios-linker-loader: entries of 128 bytes, file names of 56.
"""

from __future__ import annotations

import enum
import struct

from vmdbg.boot.acpi import ALIGNMENT, RSDP_CHECKSUMS, RSDP_POINTERS, Checksum, Pointer, Tables

TABLES_FILE = "etc/acpi/tables"
RSDP_FILE = "etc/acpi/rsdp"
LOADER_FILE = "etc/table-loader"
ENTRY_SIZE = 128
_NAME = "56s"


class Zone(enum.IntEnum):
    HIGH = 1
    SEGMENT_F = 2


def table_loader(tables: Tables) -> bytes:
    """Commands for tables that were made for base 0: allocate, add the files' addresses to pointers, sum up."""
    rsdp = [_pointer(RSDP_FILE, pointer) for pointer in RSDP_POINTERS]
    return b"".join(
        (
            _allocate(RSDP_FILE, 16, Zone.SEGMENT_F),
            _allocate(TABLES_FILE, ALIGNMENT, Zone.HIGH),
            *(_pointer(TABLES_FILE, pointer) for pointer in tables.pointers),
            *(_checksum(TABLES_FILE, one) for one in tables.checksums),
            *rsdp,
            *(_checksum(RSDP_FILE, one) for one in RSDP_CHECKSUMS),
        )
    )


def without_checksums(data: bytes, checksums: tuple[Checksum, ...]) -> bytes:
    """The bytes as the commands want them: firmware subtracts from what is there."""
    blank = bytearray(data)
    for one in checksums:
        blank[one.offset] = 0
    return bytes(blank)


def _allocate(file: str, align: int, zone: Zone) -> bytes:
    return _entry(struct.pack(f"<I{_NAME}IB", 1, file.encode(), align, zone))


def _pointer(file: str, pointer: Pointer) -> bytes:
    body = struct.pack(f"<I{_NAME}{_NAME}IB", 2, file.encode(), TABLES_FILE.encode(), pointer.offset, pointer.size)
    return _entry(body)


def _checksum(file: str, one: Checksum) -> bytes:
    return _entry(struct.pack(f"<I{_NAME}III", 3, file.encode(), one.offset, one.start, one.length))


def _entry(body: bytes) -> bytes:
    return body.ljust(ENTRY_SIZE, b"\0")
