"""Units of a large file by what is in the first bytes of each, without their abbreviations: those take seconds.

What is found may be wrong by chance and is to be looked at: nothing that is there is missed.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from vmdbg.dwarf.debug_file import DebugFile
from vmdbg.dwarf.window import Window

HEAD = 96
"""The name and the line program of a unit are in its first attributes."""
_STRINGS = (".debug_line_str", ".debug_str")


def unit_heads(info: Window) -> Iterator[tuple[int, bytes]]:
    """Offset and first bytes of each unit, the header among them (DWARF 5, 7.5.1)."""
    offset = 0
    while offset + 12 <= info.size:
        head = info.at(offset, HEAD)
        (length,) = struct.unpack_from("<I", head)
        size = 4 + length
        if length == 0xFFFF_FFFF:
            size = 12 + int.from_bytes(head[4:12], "little")
        if size <= 4:
            return
        yield offset, head[:size]
        offset += size


def _string_start(table: Window, offset: int) -> int:
    before = table.at(max(0, offset - 4096), min(offset, 4096))
    return offset - (len(before) - 1 - before.rfind(b"\0"))


def units_named(file: DebugFile, info: Window, name: str) -> list[int]:
    """Offsets of units whose own name is `name` or ends in it."""
    needles = [struct.pack("<I", start) for start in _whole_strings(file, name)]
    inline = name.encode("utf-8", "surrogateescape") + b"\0"
    return [offset for offset, head in unit_heads(info)
            if inline in head or any(needle in head for needle in needles)]  # fmt: skip


def _whole_strings(file: DebugFile, name: str) -> list[int]:
    """Beginnings of the strings that are a path ending in `name`."""
    found: list[int] = []
    for table_name in _STRINGS:
        table = file.section(table_name)
        if isinstance(table, Window):
            for offset in table.find_all(name.encode("utf-8", "surrogateescape") + b"\0"):
                found += [offset, _string_start(table, offset)]
    return found


def units_with_lines_of(file: DebugFile, info: Window, lines: Window, name: str) -> list[int]:
    """Offsets of units whose line programs have a file of that name in their tables."""
    base = PurePosixPath(name).name
    found: set[int] = set()
    for needle in (*(struct.pack("<I", start) for start in _whole_strings(file, base)), base.encode() + b"\0"):
        found.update(lines.find_all(needle))
    places = sorted(found)
    wanted = {start for start, end in _programs(lines) if _any_between(places, start, end)}
    return [offset for offset, head in unit_heads(info) if _mentions(head, wanted)]


def _mentions(head: bytes, values: set[int]) -> bool:
    return any(struct.unpack_from("<I", head, at)[0] in values for at in range(len(head) - 3))


def _any_between(places: Sequence[int], start: int, end: int) -> bool:
    index = bisect_left(places, start)
    return index < len(places) and places[index] < end


def _programs(lines: Window) -> Iterator[tuple[int, int]]:
    """[start, end) of each line-number program (DWARF 5, 6.2.4)."""
    offset = 0
    while offset + 4 <= lines.size:
        (length,) = struct.unpack("<I", lines.at(offset, 4))
        size = 4 + length
        if length == 0xFFFF_FFFF:
            size = 12 + int.from_bytes(lines.at(offset + 4, 8), "little")
        yield offset, offset + size
        offset += max(size, 4)
