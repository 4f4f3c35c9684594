"""SMBIOS: what the machine is called and what memory it has, for firmware that makes no such tables itself.

Source: SMBIOS specification 2.8 (DSP0134): 5.2.1 for the entry point, chapter 7 for structures. Firmware adds type 0,
and puts address and checksums into the entry point.
"""

from __future__ import annotations

import struct

ANCHOR_FILE = "etc/smbios/smbios-anchor"
TABLES_FILE = "etc/smbios/smbios-tables"
VERSION = (2, 8)
MIB, GIB = 1 << 20, 1 << 30
UUID = bytes.fromhex("766d64626700400080000000000000a1")
_MAKER, _PRODUCT = "vmdbg", "i440FX PC"
_WAKE_POWER_SWITCH = 6
_OTHER_CHASSIS, _SAFE, _NO_SECURITY = 1, 3, 2
_CENTRAL, _UNKNOWN_FAMILY, _UNKNOWN_UPGRADE = 3, 2, 2
_POPULATED_ENABLED = 0x41
_SYSTEM_BOARD, _SYSTEM_MEMORY, _MULTI_BIT_ECC = 3, 3, 6
_DIMM, _RAM = 9, 7
_LARGEST_DIMM = 16 * GIB


def smbios_tables(memory: int, signature: int, features: int) -> bytes:
    """All structures but type 0. `memory` in bytes; the processor's `signature` and `features` as CPUID has them."""
    dimms = [min(_LARGEST_DIMM, memory - at) for at in range(0, memory, _LARGEST_DIMM)]
    return b"".join(
        (
            _structure(1, 0x100, _system(), _MAKER, _PRODUCT),
            _structure(3, 0x300, _chassis(), _MAKER),
            _structure(4, 0x400, _processor(signature, features), "CPU 0", _MAKER),
            _structure(16, 0x1000, _memory_array(memory, len(dimms))),
            *(_structure(17, 0x1100 + n, _dimm(size), f"DIMM {n}") for n, size in enumerate(dimms)),
            _structure(19, 0x1300, _mapping(memory, len(dimms))),
            _structure(32, 0x2000, bytes(7)),
            _structure(127, 0x7F00, b""),
        )
    )


def smbios_anchor(tables: bytes) -> bytes:
    """The 32-bit entry point, without address and checksums."""
    structures = _split(tables)
    largest = max(len(one) for one in structures)
    entry = struct.pack("<4sBBBBHB5s", b"_SM_", 0, 31, *VERSION, largest, 0, b"")
    bcd = VERSION[0] << 4 | VERSION[1]
    return entry + struct.pack("<5sBHIHB", b"_DMI_", 0, len(tables), 0, len(structures), bcd)


def _split(tables: bytes) -> list[bytes]:
    """The structures, each with its strings."""
    found, at = [], 0
    while at < len(tables):
        end = tables.index(b"\0\0", at + tables[at + 1]) + 2
        found.append(tables[at:end])
        at = end
    return found


def _structure(kind: int, handle: int, body: bytes, *strings: str) -> bytes:
    """The formatted part, then the strings, which it refers to from 1 on."""
    formatted = struct.pack("<BBH", kind, 4 + len(body), handle) + body
    text = b"".join(one.encode() + b"\0" for one in strings) or b"\0"
    return formatted + text + b"\0"


def _system() -> bytes:
    return struct.pack("<BBBB16sBBB", 1, 2, 0, 0, UUID, _WAKE_POWER_SWITCH, 0, 0)


def _chassis() -> bytes:
    states = (_SAFE, _SAFE, _SAFE, _NO_SECURITY)
    return struct.pack("<BBBBB4BIBBBBB", 1, _OTHER_CHASSIS, 0, 0, 0, *states, 0, 0, 0, 0, 0, 0)


def _processor(signature: int, features: int) -> bytes:
    kind = struct.pack("<BBBBII", 1, _CENTRAL, _UNKNOWN_FAMILY, 2, signature, features)
    clocks = struct.pack("<BBHHHBB", 0, 0, 0, 1000, 1000, _POPULATED_ENABLED, _UNKNOWN_UPGRADE)
    caches = struct.pack("<HHHBBB", 0xFFFF, 0xFFFF, 0xFFFF, 0, 0, 0)
    return kind + clocks + caches + struct.pack("<BBBHH", 1, 1, 1, 0, _UNKNOWN_FAMILY)


def _memory_array(memory: int, dimms: int) -> bytes:
    kib = memory >> 10
    small = kib if kib < 1 << 31 else 1 << 31
    return struct.pack("<BBBIHHQ", _SYSTEM_BOARD, _SYSTEM_MEMORY, _MULTI_BIT_ECC, small, 0xFFFE, dimms, memory)


def _dimm(size: int) -> bytes:
    mib = size // MIB
    small, extended = (mib, 0) if mib < 0x7FFF else (0x7FFF, mib)
    head = struct.pack("<HHHHHBBBBBH", 0x1000, 0xFFFE, 0xFFFF, 0xFFFF, small, _DIMM, 0, 1, 0, _RAM, 2)
    return head + struct.pack("<HBBBBBIHHHH", 0, 0, 0, 0, 0, 0, extended, 0, 0, 0, 0)


def _mapping(memory: int, dimms: int) -> bytes:
    last = min(memory >> 10, (1 << 32) - 1) - 1
    return struct.pack("<IIHBQQ", 0, last, 0x1000, dimms, 0, 0)
