"""ELF notes (System V gABI, note section), and the one in which a Linux kernel says of itself what tools need."""

from __future__ import annotations

import struct

NT_VMCOREINFO = 0


def note(name: bytes, kind: int, data: bytes) -> bytes:
    """One note; name and contents are filled up to four bytes."""
    header = struct.pack("<III", len(name) + 1, len(data), kind)
    return header + _filled(name + b"\0") + _filled(data)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def vmcoreinfo_note(text: bytes) -> bytes:
    """Where the kernel's structures are (Linux, Documentation/admin-guide/kdump/vmcoreinfo.rst)."""
    return note(b"VMCOREINFO", NT_VMCOREINFO, text)
