"""BUG() and WARN(): instructions that the kernel keeps a table of (include/asm-generic/bug.h, lib/bug.c)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.types import NoSuchTypeError
from vmdbg.os.linux.modules import module_values
from vmdbg.os.linux.walks import guarded
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MOST = 1 << 17
WARNING = 1
"""BUGFLAG_WARNING"""
MAX_PATH = 256
SAMPLES = 16
_SOURCE = re.compile(r"[\w./+-]+\.[chS]")


@dataclass(frozen=True, slots=True)
class Bug:
    """Where the source has it; `file` is "" where the kernel was built without CONFIG_DEBUG_BUGVERBOSE."""

    file: str
    line: int
    is_warning: bool

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "an unknown line"


@guarded("table of BUGs")
def bug_at(kernel: Kernel, address: int) -> Bug | None:
    """What stands in the tables for the instruction at an address; None for one that is in none."""
    try:
        entry = kernel.type("struct bug_entry")
        offsets = {name: entry.offset_of(name) for name in ("bug_addr_disp", "file_disp", "line", "flags")}
    except (NoSuchTypeError, AttributeError, KeyError):
        return None
    for start, count in _tables(kernel, entry.size):
        raw = kernel.read(start, count * entry.size)
        for number in range(count):
            (distance,) = struct.unpack_from("<i", raw, number * entry.size + offsets["bug_addr_disp"])
            place = start + number * entry.size
            if place + offsets["bug_addr_disp"] + distance & 0xFFFF_FFFF_FFFF_FFFF == address:
                return _bug(kernel, place, offsets)
    return None


def _tables(kernel: Kernel, size: int) -> Iterator[tuple[int, int]]:
    start, end = kernel.table.find("__start___bug_table"), kernel.table.find("__stop___bug_table")
    if start is not None and end is not None and 0 < end - start <= MOST * size:
        yield start, (end - start) // size
    for module in module_values(kernel):
        count = int(module.num_bugs)
        if 0 < count <= MOST:
            yield int(module.bug_table), count


def _bug(kernel: Kernel, place: int, offsets: dict[str, int]) -> Bug:
    line, flags = (int.from_bytes(kernel.read(place + offsets[name], 2), "little") for name in ("line", "flags"))
    return Bug(_file(kernel, place, offsets["file_disp"]), line, bool(flags & WARNING))


def _file(kernel: Kernel, place: int, offset: int) -> str:
    """Its distance counts from itself, in older kernels from the entry: as most entries of the kernel make sense."""
    size = kernel.type("struct bug_entry").size
    start, count = next(_tables(kernel, size), (place, 1))
    samples = [start + size * number for number in range(min(count, SAMPLES))]
    from_itself, from_entry = (
        sum(_likeness(kernel, _address(kernel, one, offset, base)) for one in samples) for base in (offset, 0)
    )
    return _text(kernel, _address(kernel, place, offset, offset if from_itself >= from_entry else 0))


def _likeness(kernel: Kernel, address: int) -> int:
    """To a source file's name: a whole one, the end of one, or none."""
    if not _SOURCE.fullmatch(_text(kernel, address)):
        return 0
    return 3 if kernel.memory.read_prefix(address - 1, 1) == b"\0" else 1


def _address(kernel: Kernel, place: int, offset: int, base: int) -> int:
    raw = kernel.memory.u32(Linear(place + offset))
    return place + base + (raw ^ 1 << 31) - (1 << 31) if raw else 0


def _text(kernel: Kernel, address: int) -> str:
    found = kernel.memory.read_prefix(address, MAX_PATH) if address else b""
    return found.partition(b"\0")[0].decode("ascii", "replace")
