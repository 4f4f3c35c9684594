"""Programs and libraries mapped into a process: where each was loaded and which build it is.

With these, symbols of a file on the host that has the same build-id can be moved to where the guest runs it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.maps import MemoryArea, maps
from vmdbg.os.linux.page_cache import PAGE, first_page
from vmdbg.os.linux.tasks import find_task, user_memory
from vmdbg.os.linux.walks import guarded
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import LinearMemory

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_HEADERS = 64
MAX_NOTES = 4096
_PT_LOAD, _PT_NOTE, _ET_DYN = 1, 4, 3
_NT_GNU_BUILD_ID = 3
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True, slots=True)
class UserProgram:
    """An ELF file in a process. `slide` is what to add to the file's addresses; `build_id` in hexadecimal.

    `build_id` is "" if the file has none, or if its page is not in memory.
    """

    path: str
    start: Linear
    end: Linear
    slide: int
    build_id: str


@guarded("programs of a process")
def user_programs(kernel: Kernel, pid: int) -> tuple[UserProgram, ...]:
    """The program itself and its libraries, by address. Raises `UserError` if there is no such task."""
    memory = user_memory(kernel, find_task(kernel, pid))
    if memory is None:
        return ()
    files: dict[str, list[MemoryArea]] = {}
    for area in maps(kernel, pid):
        if area.inode:
            files.setdefault(area.path, []).append(area)
    found = (_program(kernel, memory, path, areas) for path, areas in files.items())
    return tuple(program for program in found if program is not None)


def _program(kernel: Kernel, memory: LinearMemory, path: str, areas: list[MemoryArea]) -> UserProgram | None:
    first = areas[0]
    end = areas[-1].end
    head = _head(kernel, memory, first)
    if not head.startswith(b"\x7fELF\x02\x01"):
        return UserProgram(path, first.start, end, 0, "") if any("x" in a.permissions for a in areas) else None
    header = _HEADER.unpack(head[: _HEADER.size])
    kind, table, size, count = header[1], header[5], header[9], header[10]
    if size != _SEGMENT.size or count > MAX_HEADERS:
        return None
    segments = head[table : table + size * count]
    slide, build_id = first.start if kind == _ET_DYN else 0, ""
    for entry in struct.iter_unpack(_SEGMENT.format, segments[: len(segments) // size * size]):
        if entry[0] == _PT_LOAD and not entry[2] and kind == _ET_DYN:
            slide = Linear(first.start - entry[3])
        if entry[0] == _PT_NOTE and not build_id:
            where = Linear((entry[3] + slide) & 0xFFFF_FFFF_FFFF_FFFF)
            size_shown = min(entry[5], MAX_NOTES)
            build_id = _build_id(head[entry[2] : entry[2] + size_shown] or memory.read_prefix(where, size_shown))
    return UserProgram(path, first.start, end, slide, build_id)


def _head(kernel: Kernel, memory: LinearMemory, area: MemoryArea) -> bytes:
    """The first page of the file: as the process has it mapped, else as the kernel keeps it."""
    mapped = memory.read_prefix(area.start, PAGE) if not area.offset else b""
    if len(mapped) == PAGE:
        return mapped
    return first_page(kernel, kernel.object("struct vm_area_struct", area.address).vm_file)


def _build_id(notes: bytes) -> str:
    position = 0
    while position + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, position)
        name = position + 12
        contents = name + (name_size + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[name : name + 4] == b"GNU\0":
            return notes[contents : contents + size].hex()
        position = contents + (size + 3 & ~3)
    return ""
