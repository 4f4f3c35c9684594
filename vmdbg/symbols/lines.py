"""Source lines of code, from the line-number programs of DWARF 2 to 5. Source: DWARF 5, 6.2."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from vmdbg.dwarf.unit_files import unit_file_names

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo
    from elftools.dwarf.lineprogram import LineState

_HEAD = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class LineRange:
    """Code [start, end) of one source line. `statement` marks where debuggers should stop.

    Empty where another line begins at the same address: all of the line's code is that one's there.
    """

    start: int
    end: int
    file: str
    line: int
    statement: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


Column: TypeAlias = "array[int] | memoryview"


class LineTable:
    """Lines by address, and addresses by line, of addresses as the file has them. A column each, by start."""

    def __init__(self, ranges: Iterable[LineRange] = ()) -> None:
        ordered = sorted(ranges, key=lambda one: (one.start, one.end))
        self._files = list(dict.fromkeys(one.file for one in ordered))
        numbers = {file: number for number, file in enumerate(self._files)}
        self._starts: Column = array("Q", [one.start for one in ordered])
        self._ends: Column = array("Q", [one.end for one in ordered])
        self._lines: Column = array("I", [one.line << 1 | one.statement for one in ordered])
        self._numbers: Column = array("I", [numbers[one.file] for one in ordered])

    def packed(self) -> bytes:
        names = "\0".join(self._files).encode("utf-8", "surrogatepass")
        columns = (self._starts, self._ends, self._lines, self._numbers)
        return _HEAD.pack(len(self._starts), len(names)) + b"".join(bytes(memoryview(one)) for one in columns) + names

    @classmethod
    def unpacked(cls, data: memoryview) -> LineTable:
        """What packed() made, which the caller vouches for."""
        made = cls()
        count, size = _HEAD.unpack_from(data)
        starts, after = _HEAD.size, _HEAD.size + 8 * count
        lines, numbers, names = after + 8 * count, after + 12 * count, after + 16 * count
        made._starts, made._ends = data[starts:after].cast("Q"), data[after:lines].cast("Q")
        made._lines, made._numbers = data[lines:numbers].cast("I"), data[numbers:names].cast("I")
        made._files = bytes(data[names : names + size]).decode("utf-8", "surrogatepass").split("\0")
        return made

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> LineRange:
        line = self._lines[index]
        file = self._files[self._numbers[index]]
        return LineRange(self._starts[index], self._ends[index], file, line >> 1, bool(line & 1))

    def at(self, address: int) -> LineRange | None:
        """The line that an address is code of."""
        index = self._index(address)
        return self[index] if index is not None else None

    def _index(self, address: int) -> int | None:
        index = bisect_right(self._starts, address) - 1
        return index if index >= 0 and address < self._ends[index] else None

    def span(self, address: int) -> tuple[int, int] | None:
        """All code around an address, without a gap, that is of the same line."""
        first = last = self._index(address)
        if first is None or last is None:
            return None
        line, start, end = self._key(first), self._starts[first], self._ends[last]
        while self._goes_with(first - 1, line) and self._ends[first - 1] == start:
            first -= 1
            start = self._starts[first]
        while self._goes_with(last + 1, line) and self._starts[last + 1] == end:
            last += 1
            end = self._ends[last]
        return start, end

    def _goes_with(self, index: int, line: tuple[int, int]) -> bool:
        """Whether there is a range of that number, of the line or of a line that has no code of its own there."""
        if not 0 <= index < len(self):
            return False
        return self._key(index) == line or self._starts[index] == self._ends[index]

    def _key(self, index: int) -> tuple[int, int]:
        return self._numbers[index], self._lines[index] >> 1

    def is_start(self, address: int) -> bool:
        """Whether a line begins at the address."""
        index = bisect_left(self._starts, address)
        return index < len(self) and self._starts[index] == address and bool(self._lines[index] & 1)

    def find(self, file: str, line: int) -> LineRange | None:
        """The lowest code of the first line from `line` on that has some, in a file of that name or path's end."""
        wanted = {number for number, name in enumerate(self._files) if same_file(name, file)}
        best: tuple[int, int, int] | None = None
        for index, coded in enumerate(self._lines):
            if coded & 1 and coded >> 1 >= line and self._numbers[index] in wanted:
                found = coded >> 1, self._starts[index], index
                best = found if best is None else min(best, found)
        return None if best is None else self[best[2]]

    def starts_of(self, file: str, line: int) -> list[int]:
        """Where code of exactly that line begins: more than one place if it was inlined or copied."""
        wanted = {number for number, name in enumerate(self._files) if same_file(name, file)}
        found, before = [], -1
        for index, coded in enumerate(self._lines):
            if coded >> 1 != line or self._numbers[index] not in wanted:
                continue
            if coded & 1 and self._starts[index] != before:
                found.append(self._starts[index])
            before = self._ends[index]
        return found

    def files(self) -> list[str]:
        return sorted(self._files)


def same_file(known: str, asked: str) -> bool:
    return known == asked or known.endswith("/" + asked)


def unit_ranges(dwarf: DWARFInfo, unit: CompileUnit) -> Iterator[LineRange]:
    """The rows of one compilation unit's line-number program as ranges of code."""
    program = dwarf.line_program_for_CU(unit)
    if program is None:
        return
    names = unit_file_names(unit, program)
    before: LineState | None = None
    for entry in program.get_entries():
        state = entry.state
        if state is None or (before is not None and not state.end_sequence and _says_less(state, before)):
            continue
        if before is not None and (state.address > before.address or _is_hidden(before, state)):
            file, statement = names.get(before.file, "?"), bool(before.is_stmt)
            yield LineRange(before.address, state.address, file, before.line, statement)
        before = None if state.end_sequence else state


def _is_hidden(before: LineState, state: LineState) -> bool:
    """Whether another line begins where `before` does: it has no code of its own, and still can be stopped at."""
    is_other = (state.file, state.line) != (before.file, before.line)
    return bool(before.is_stmt) and is_other and not state.end_sequence and state.address == before.address


def _says_less(state: LineState, before: LineState) -> bool:
    """Code of no line in particular goes with the line before, so that steps pass over it.

    Of several lines that begin at one address the last that is a statement counts.
    """
    return state.line == 0 or (state.address == before.address and bool(before.is_stmt) and not state.is_stmt)
