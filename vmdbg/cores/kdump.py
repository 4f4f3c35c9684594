"""The compressed form of kdump, which makedumpfile writes and crash and drgn (libkdumpfile) read.

Header, sub-header, a bitmap of the pages that there are and one of those in the file, a descriptor for each of these,
their contents, the notes. Written here because the one library there is, kdumpling 0.4, counts one bitmap where both
are meant: neither reader takes what it writes. Source: makedumpfile 1.7, IMPLEMENTATION and diskdump_mod.h.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from vmdbg.cores.address_space import Memory
from vmdbg.cores.elf_core import Progress

PAGE = BLOCK = 0x1000
SIGNATURE, VERSION = b"KDUMP   ", 6
ZLIB = 1
LEVEL = 1
UNSAID = b"?"
"""Names of the system that readers take from memory; libkdumpfile takes no header with an empty one."""
_HEADER = struct.Struct("<8si65s65s65s65s65s65s6xqqIiiIIIIIIi")
"""struct disk_dump_header: signature, version, utsname, time, status, sizes in blocks and pages, CPUs."""
_SUB_HEADER = struct.Struct("<QiiQQqQqQqQQQQ")
"""struct kdump_sub_header: base, level, split, page numbers, places of VMCOREINFO and the notes, page numbers again."""
_DESCRIPTOR = struct.Struct("<qIIQ")
"""struct page_desc: where, bytes, how compressed, the kernel's flags of the page."""


def write_kdump(
    file: BinaryIO,
    memory: Sequence[Memory],
    vmcoreinfo: bytes,
    notes: bytes,
    release: str,
    progress: Progress | None = None,
) -> None:
    """Write to an empty file that can seek. All memory is in it, pages of zeros once. Raises OSError."""
    pages = max(part.end for part in memory) // PAGE
    bitmap = _bitmap(memory, pages)
    count = sum(len(part.data) for part in memory) // PAGE
    descriptors_at = (2 + 2 * len(bitmap) // BLOCK) * BLOCK
    file.seek(descriptors_at + count * _DESCRIPTOR.size)
    descriptors = _write_pages(file, memory, count, progress)
    vmcoreinfo_at = file.tell()
    file.write(vmcoreinfo)
    notes_at = file.tell()
    file.write(notes)
    file.seek(0)
    names = (b"Linux", UNSAID, release.encode()[:64] or UNSAID, UNSAID, b"x86_64", b"")
    file.write(_HEADER.pack(SIGNATURE, VERSION, *names, 0, 0, ZLIB, BLOCK, 1, 2 * len(bitmap) // BLOCK, pages, count, 0,
                            count, 0, 1))  # fmt: skip
    file.seek(BLOCK)
    where = (vmcoreinfo_at if vmcoreinfo else 0, len(vmcoreinfo), notes_at, len(notes), 0, 0)
    file.write(_SUB_HEADER.pack(0, 0, 0, 0, pages, *where, 0, pages, pages))
    file.seek(2 * BLOCK)
    file.write(bitmap * 2)
    file.write(descriptors)


def _bitmap(memory: Sequence[Memory], pages: int) -> bytes:
    """A bit for each page number, filled up to whole blocks."""
    made = bytearray(-(-pages // (8 * BLOCK)) * BLOCK)
    for part in memory:
        for page in range(part.physical // PAGE, part.end // PAGE):
            made[page >> 3] |= 1 << (page & 7)
    return bytes(made)


def _write_pages(file: BinaryIO, memory: Sequence[Memory], count: int, progress: Progress | None) -> bytes:
    """Write the contents where the file stands; their descriptors."""
    zeros, place_of_zeros = bytes(PAGE), b""
    made: list[bytes] = []
    for part in memory:
        for at in range(0, len(part.data), PAGE):
            if progress is not None and len(made) % 256 == 0:
                progress(len(made) / count)
            page = part.data[at : at + PAGE].tobytes()
            if page == zeros and place_of_zeros:
                made.append(place_of_zeros)
                continue
            packed = zlib.compress(page, LEVEL)
            whole = len(packed) >= PAGE
            made.append(_DESCRIPTOR.pack(file.tell(), PAGE if whole else len(packed), 0 if whole else ZLIB, 0))
            file.write(page if whole else packed)
            if page == zeros:
                place_of_zeros = made[-1]
    return b"".join(made)
