"""Source lines of code, from the line-number programs of DWARF 2 to 5. Source: DWARF 5, 6.2."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LineRange:
    """Code [start, end) of one source line. `statement` marks where debuggers should stop."""

    start: int
    end: int
    file: str
    line: int
    statement: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class LineTable:
    """Lines by address, and addresses by line, moved by a slide."""

    def __init__(self, ranges: list[LineRange], slide: int = 0) -> None:
        self._ranges = sorted(ranges, key=lambda one: (one.start, one.end))
        self._starts = [one.start for one in self._ranges]
        self._slide = slide

    def __len__(self) -> int:
        return len(self._ranges)

    def at(self, address: int) -> LineRange | None:
        """The line that an address is code of."""
        raw = address - self._slide
        index = bisect_right(self._starts, raw) - 1
        if index < 0 or raw >= self._ranges[index].end:
            return None
        return self._moved(self._ranges[index])

    def span(self, address: int) -> tuple[int, int] | None:
        """All code around an address, without a gap, that is of the same line."""
        raw = address - self._slide
        index = bisect_right(self._starts, raw) - 1
        if index < 0 or raw >= self._ranges[index].end:
            return None
        line = (self._ranges[index].file, self._ranges[index].line)
        first = last = index
        while first > 0 and self._ranges[first - 1].end == self._ranges[first].start and self._key(first - 1) == line:
            first -= 1
        while (
            last + 1 < len(self._ranges)
            and self._ranges[last].end == self._starts[last + 1]
            and self._key(last + 1) == line
        ):
            last += 1
        return self._ranges[first].start + self._slide, self._ranges[last].end + self._slide

    def _key(self, index: int) -> tuple[str, int]:
        return self._ranges[index].file, self._ranges[index].line

    def is_start(self, address: int) -> bool:
        """Whether a line begins at the address."""
        raw = address - self._slide
        index = bisect_left(self._starts, raw)
        return index < len(self._starts) and self._starts[index] == raw and self._ranges[index].statement

    def find(self, file: str, line: int) -> int | None:
        """The lowest address of the first line from `line` on that has code, in a file of that name or path's end."""
        best: LineRange | None = None
        for one in self._ranges:
            if one.line < line or not one.statement or not same_file(one.file, file):
                continue
            if best is None or (one.line, one.start) < (best.line, best.start):
                best = one
        return None if best is None else best.start + self._slide

    def files(self) -> list[str]:
        return sorted({one.file for one in self._ranges})

    def _moved(self, one: LineRange) -> LineRange:
        return LineRange(one.start + self._slide, one.end + self._slide, one.file, one.line, one.statement)


def same_file(known: str, asked: str) -> bool:
    return known == asked or known.endswith("/" + asked)


def unit_ranges(dwarf: Any, unit: Any) -> Iterator[LineRange]:
    """The rows of one compilation unit's line-number program as ranges of code."""
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return
    names = unit_file_names(unit, program)
    before = None
    statement = False
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and state.address > before.address:
            yield LineRange(before.address, state.address, names.get(before.file, "?"), before.line, statement)
        again = before is not None and (state.address, state.line) == (before.address, before.line)
        statement = state.is_stmt or (statement and again)
        before = None if state.end_sequence else state


def unit_file_names(unit: Any, program: Any) -> dict[int, str]:
    """File numbers to paths: they count from 1 up to DWARF 4, from 0 in DWARF 5."""
    header = program.header
    old = header["version"] < 5
    top = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    base = _text(top.value) if top is not None else ""
    directories = [_text(directory) for directory in header["include_directory"]]
    if old:
        directories.insert(0, base)
    names = {}
    for number, file in enumerate(header["file_entry"], 1 if old else 0):
        directory = directories[file.dir_index] if file.dir_index < len(directories) else ""
        name = _text(file.name)
        names[number] = name if name.startswith("/") or not directory else f"{directory}/{name}"
    return names


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
