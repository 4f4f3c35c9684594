"""The little ACPI machine language that a table of fixed devices needs.

Each function returns the encoded object; they nest by concatenation. Source: ACPI specification 6.5, chapter
20 (AML) and 6.4 (resource data types).
"""

from __future__ import annotations

import struct

_ZERO, _ONE, _BYTE, _WORD, _DWORD, _STRING, _QWORD = 0x00, 0x01, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E
_NAME = b"\x08"
_SCOPE = b"\x10"
_BUFFER = b"\x11"
_PACKAGE = b"\x12"
_DEVICE = b"\x5b\x82"
_ROOT = b"\\"

END_TAG = b"\x79\x00"
"""Checksum 0: not checked (6.4.2.9)."""


def reference(path: str) -> bytes:
    """Another object, by its name, as an element of a package."""
    return name_seg(path)


def name_seg(name: str) -> bytes:
    """A name of up to four characters, with a root prefix if it has one. Raises ValueError if it is no
    NameSeg.
    """
    prefix, seg = (_ROOT, name[1:]) if name.startswith("\\") else (b"", name)
    legal = seg.isascii() and seg.replace("_", "A").isalnum() and seg == seg.upper() and not seg[:1].isdigit()
    if not legal or not 1 <= len(seg) <= 4:
        raise ValueError(f"{name!r} is no AML name: one to four of A-Z, 0-9 and _, not starting with a digit")
    return prefix + seg.ljust(4, "_").encode()


def integer(value: int) -> bytes:
    """The shortest encoding of an unsigned integer of up to 64 bits. Raises ValueError beyond."""
    if value in (_ZERO, _ONE):
        return bytes([value])
    for prefix, size in ((_BYTE, 1), (_WORD, 2), (_DWORD, 4), (_QWORD, 8)):
        if 0 <= value < 1 << 8 * size:
            return bytes([prefix]) + value.to_bytes(size, "little")
    raise ValueError(f"{value} does not fit into an AML integer of 64 bits")


def string(text: str) -> bytes:
    """ASCII, without NUL."""
    return bytes([_STRING]) + text.encode("ascii") + b"\0"


def eisa_id(identifier: str) -> bytes:
    """A compressed EISA identifier such as PNP0501 (19.6.38)."""
    letters, product = identifier[:3], int(identifier[3:], 16)
    vendor = sum((ord(letter) - 0x40 & 0x1F) << 5 * (2 - n) for n, letter in enumerate(letters))
    return bytes([_DWORD]) + struct.pack(">HH", vendor, product)


def package_length(size: int) -> bytes:
    """PkgLength for a body of `size` bytes; the length counts its own encoding (20.2.4)."""
    if size + 1 < 0x40:
        return bytes([size + 1])
    for extra in (1, 2, 3):
        total = size + 1 + extra
        if total < 1 << 4 + 8 * extra:
            return bytes([extra << 6 | total & 0xF]) + (total >> 4).to_bytes(extra, "little")
    raise ValueError(f"an AML package cannot hold {size} bytes")


def _sized(opcode: bytes, body: bytes) -> bytes:
    return opcode + package_length(len(body)) + body


def name(path: str, value: bytes) -> bytes:
    return _NAME + name_seg(path) + value


def scope(path: str, *objects: bytes) -> bytes:
    return _sized(_SCOPE, name_seg(path) + b"".join(objects))


def device(path: str, *objects: bytes) -> bytes:
    return _sized(_DEVICE, name_seg(path) + b"".join(objects))


_METHOD = b"\x14"
_SERIALIZED = 0x08


def method(path: str, arguments: int, *statements: bytes) -> bytes:
    """A serialized control method; without statements it does nothing."""
    return _sized(_METHOD, name_seg(path) + bytes([arguments | _SERIALIZED]) + b"".join(statements))


def package(*elements: bytes) -> bytes:
    return _sized(_PACKAGE, bytes([len(elements)]) + b"".join(elements))


def buffer(data: bytes) -> bytes:
    return _sized(_BUFFER, integer(len(data)) + data)


def resource_template(*descriptors: bytes) -> bytes:
    """A buffer of resource descriptors with its end tag."""
    return buffer(b"".join(descriptors) + END_TAG)


def io_ports(base: int, length: int) -> bytes:
    """Fixed ports decoded with 16 bits (6.4.2.5)."""
    return struct.pack("<BBHHBB", 0x47, 0x01, base, base, 1, length)


def irq(number: int) -> bytes:
    """An ISA interrupt: edge-triggered, active high, exclusive (6.4.2.1)."""
    return struct.pack("<BH", 0x22, 1 << number)


def level_interrupt(number: int) -> bytes:
    """An extended interrupt: level-triggered, active high, shared (6.4.3.6)."""
    consumer_shared = 0x09
    return struct.pack("<BHBBI", 0x89, 6, consumer_shared, 1, number)


def dma_channel(number: int) -> bytes:
    """An 8-bit ISA DMA channel in compatibility mode (6.4.2.2); the cascade is one too."""
    return struct.pack("<BBB", 0x2A, 1 << number, 0x00)


_MEMORY, _IO, _BUS = 0, 1, 2
_PRODUCER_FIXED = 0x0C
"""General flags: minimum and maximum fixed, positive decode, resource producer (6.4.3.5)."""
_ENTIRE_RANGE = 0x03
_READ_WRITE = 0x01


def bus_numbers(first: int, last: int) -> bytes:
    """The PCI buses below a host bridge, as a word address space."""
    return _word_space(_BUS, 0, first, last)


def io_window(first: int, last: int) -> bytes:
    """I/O ports that a bridge passes on, as a word address space."""
    return _word_space(_IO, _ENTIRE_RANGE, first, last)


def memory_window(first: int, last: int) -> bytes:
    """Non-cacheable memory below 4 GiB that a bridge passes on, as a dword address space."""
    fields = struct.pack("<BBBIIIII", _MEMORY, _PRODUCER_FIXED, _READ_WRITE, 0, first, last, 0, last - first + 1)
    return struct.pack("<BH", 0x87, len(fields)) + fields


def _word_space(kind: int, type_flags: int, first: int, last: int) -> bytes:
    length = last - first + 1
    fields = struct.pack("<BBBHHHHH", kind, _PRODUCER_FIXED, type_flags, 0, first, last, 0, length)
    return struct.pack("<BH", 0x88, len(fields)) + fields
