"""An ELF core of a whole machine, as Linux's /proc/vmcore and QEMU's dump-guest-memory write it.

Program headers with a physical address give RAM and ROM; those with NO_PHYSICAL show the same bytes of the file at
further linear addresses, as /proc/kcore does. Source: System V gABI, chapters 4 and 5; Linux fs/proc/kcore.c.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import BinaryIO

from vmdbg.cores.address_space import AddressSpace, Memory, View

ET_CORE, EM_X86_64, PT_LOAD, PT_NOTE, READ_WRITE_EXECUTE = 4, 62, 1, 4, 7
NO_PHYSICAL = (1 << 64) - 1
ALIGNMENT = 0x1000
CHUNK = 1 << 20
WORD = (1 << 64) - 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_IDENTITY = b"\x7fELF\x02\x01\x01" + bytes(9)

Progress = Callable[[float], None]


def write_elf_core(
    file: BinaryIO, memory: Sequence[Memory], space: AddressSpace, notes: bytes, progress: Progress | None = None
) -> None:
    """Write to an empty file that can seek; pages of zeros become holes of the file. Raises OSError."""
    segments = 1 + len(space.direct) + len(space.others)
    start = _HEADER.size + segments * _SEGMENT.size
    offsets, position = {}, _aligned(start + len(notes))
    for part in memory:
        offsets[part.physical] = position
        position = _aligned(position + len(part.data))
    file.write(_HEADER.pack(_IDENTITY, ET_CORE, EM_X86_64, 1, 0, _HEADER.size, 0, 0, _HEADER.size, _SEGMENT.size,
                            segments, 0, 0, 0))  # fmt: skip
    file.write(_SEGMENT.pack(PT_NOTE, 0, start, 0, 0, len(notes), len(notes), 4))

    def segment(view: View, physical: int) -> bytes:
        part = next(one for one in memory if one.physical <= view.physical < one.end)
        offset = offsets[part.physical] + view.physical - part.physical
        linear = view.linear & WORD
        return _SEGMENT.pack(PT_LOAD, READ_WRITE_EXECUTE, offset, linear, physical, view.size, view.size, ALIGNMENT)

    file.writelines(segment(view, view.physical) for view in space.direct)
    file.writelines(segment(view, NO_PHYSICAL) for view in space.others)
    file.write(notes)
    done, total = 0, sum(len(part.data) for part in memory)
    for part in memory:
        for at in range(0, len(part.data), CHUNK):
            piece = part.data[at : at + CHUNK]
            if piece.tobytes().strip(b"\0"):
                file.seek(offsets[part.physical] + at)
                file.write(piece)
            done += len(piece)
            if progress is not None:
                progress(done / total)
    file.truncate(position)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
