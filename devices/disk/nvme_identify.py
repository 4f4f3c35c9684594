"""What an NVMe controller says of itself and its namespace. Source: NVM Express 1.4, 5.15.2, and 5.14.1 for logs."""

from __future__ import annotations

import hashlib
import struct

from devices.disk import nvme_registers as reg
from devices.disk.unit import DiskUnit

SIZE = 4096
NAMESPACE = 1
MODEL = "vmdbg NVMe disk"
FIRMWARE = "1.0"
MOST_EVENTS = 4
"""Asynchronous event requests that wait at a time."""
_DATASET_MANAGEMENT, _WRITE_ZEROES = 1 << 2, 1 << 3
_UUID = 3


def controller(unit: DiskUnit) -> bytes:
    data = bytearray(SIZE)
    struct.pack_into("<HH20s40s8s", data, 0, 0x1B36, 0x1AF4, _text(unit.serial, 20), _text(MODEL, 40),
                     _text(FIRMWARE, 8))  # fmt: skip
    data[77] = reg.MDTS
    struct.pack_into("<HI", data, 78, 1, reg.VERSION)
    data[111] = 1  # CNTRLTYPE: for I/O
    data[258], data[259] = 3, MOST_EVENTS - 1  # ACL, AERL
    data[512], data[513] = 0x66, 0x44  # SQES, CQES
    struct.pack_into("<II", data, 516, NAMESPACE, _DATASET_MANAGEMENT | _WRITE_ZEROES)  # NN, ONCS
    data[525] = 1  # VWC
    name = f"nqn.2014.08.org.nvmexpress:1b361af4{unit.serial[:20]}"
    data[768 : 768 + len(name)] = name.encode("ascii", "replace")
    struct.pack_into("<H", data, 2048, 900)  # power state 0: 9 W
    return bytes(data)


def namespace(unit: DiskUnit) -> bytes:
    """Blocks of 512 bytes without metadata."""
    data = bytearray(SIZE)
    struct.pack_into("<QQQ", data, 0, unit.sectors, unit.sectors, unit.sectors)
    data[130] = 9
    return bytes(data)


def identifiers(unit: DiskUnit) -> bytes:
    """A UUID made of the serial number, which tells disks of one machine apart."""
    return (bytes([_UUID, 16, 0, 0]) + hashlib.sha256(unit.serial.encode()).digest()[:16]).ljust(SIZE, b"\0")


def active(after: int) -> bytes:
    """Identifiers of the namespaces above `after`."""
    return (NAMESPACE.to_bytes(4, "little") if after < NAMESPACE else b"").ljust(SIZE, b"\0")


def log(page: int) -> bytes | None:
    """Errors, health and firmware: there is nothing to say but that all is well. None for a log that is not kept."""
    match page:
        case 1:
            return bytes(64)
        case 2:
            return struct.pack("<BHBBB", 0, 300, 100, 10, 0).ljust(512, b"\0")
        case 3:
            return (b"\1" + bytes(7) + _text(FIRMWARE, 8)).ljust(512, b"\0")
    return None


def _text(words: str, size: int) -> bytes:
    return words.encode("ascii", "replace")[:size].ljust(size)
