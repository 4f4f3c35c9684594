"""The source lines of one ELF file, read unit by unit as they are needed: a kernel's would take minutes at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import xxhash
from elftools.dwarf.compileunit import CompileUnit

from vmdbg.dwarf.debug_file import DAMAGE, SMALL, DebugFile
from vmdbg.dwarf.unit_files import unit_file_names
from vmdbg.dwarf.unit_search import units_named, units_with_lines_of
from vmdbg.dwarf.window import Window
from vmdbg.errors import UserError
from vmdbg.file_cache import FileCache
from vmdbg.symbols.lines import LineRange, LineTable, same_file, unit_ranges
from vmdbg.symbols.placement import Placement

_NAMING = (".debug_str", ".debug_line_str", ".debug_abbrev", ".debug_line")
MOST_UNITS = 64
"""Units whose lines are read for one question: a header's line is in thousands of a kernel's."""


class LineFile:
    """Lines by address and addresses by line, of the guest. What is damaged counts as not there."""

    def __init__(self, file: DebugFile | None, placement: Placement | None = None) -> None:
        self._file = file
        self.placement = placement or Placement()
        self._units: dict[int, LineTable] = {}
        self._names: dict[int, list[str]] | None = None
        self._kept: tuple[FileCache, str] | None = None

    def at(self, address: int) -> LineRange | None:
        raw = self.placement.to_file(address)
        table = self._table_at(raw)
        found = table.at(raw) if table is not None and raw is not None else None
        return self._moved(found) if found is not None else None

    def span(self, address: int) -> tuple[int, int] | None:
        raw = self.placement.to_file(address)
        table = self._table_at(raw)
        found = table.span(raw) if table is not None and raw is not None else None
        start = self.placement.to_guest(found[0]) if found is not None else None
        return (start, start + found[1] - found[0]) if found is not None and start is not None else None

    def is_start(self, address: int) -> bool:
        raw = self.placement.to_file(address)
        table = self._table_at(raw)
        return table is not None and raw is not None and table.is_start(raw)

    def find(self, file: str, line: int) -> LineRange | None:
        """As LineTable.find, over the units that name the file; where that is placed in the guest."""
        found = [one for table in self._tables_of(file) if (one := table.find(file, line)) is not None]
        placed = [where for one in found if (where := self._moved(one)) is not None]
        return min(placed, key=lambda one: (one.line, one.start), default=None)

    def starts_of(self, file: str, line: int) -> list[int]:
        """Every place where code of that line begins."""
        starts = {start for table in self._tables_of(file) for start in table.starts_of(file, line)}
        return sorted(where for one in starts if (where := self.placement.to_guest(one)) is not None)

    def files(self) -> list[str]:
        return sorted({name for names in self._file_names().values() for name in names})

    def _moved(self, one: LineRange) -> LineRange | None:
        start = self.placement.to_guest(one.start)
        if start is None:
            return None
        return LineRange(start, start + one.end - one.start, one.file, one.line, one.statement)

    def _table_at(self, raw: int | None) -> LineTable | None:
        if self._file is None or raw is None:
            return None
        try:
            offset = self._file.unit_offset_at(raw)
        except (*DAMAGE, UserError):
            return None
        return self._unit(offset) if offset is not None else None

    def _unit(self, offset: int) -> LineTable:
        if offset not in self._units:
            self._units[offset] = self._read(offset)
        return self._units[offset]

    def _read(self, offset: int) -> LineTable:
        assert self._file is not None
        try:
            unit = self._file.info.get_CU_at(offset)
            name = self._cache_name(unit)
            kept = FileCache("symbols").load(name) if name else None
            if kept is not None:
                return LineTable.unpacked(kept)
            table = LineTable(unit_ranges(self._file.info, unit))
            if name:
                FileCache("symbols").save(name, table.packed())
        except (*DAMAGE, UserError):
            return LineTable()
        return table

    def _cache_name(self, unit: CompileUnit) -> str:
        """ "" for a file that is small enough to be read anew."""
        assert self._file is not None
        lines = self._file.section(".debug_line")
        if not isinstance(lines, Window) or lines.size < SMALL >> 4:
            return ""
        if self._kept is None:
            self._kept = FileCache("symbols"), self._file.identity(_NAMING)
        key = xxhash.xxh3_64_hexdigest(f"{self._kept[1]} {unit.cu_offset}".encode())
        return f"{key}.lines-2"

    def _tables_of(self, file: str) -> Iterator[LineTable]:
        """Of the unit of that name, if there is one; else of all that name it in their tables."""
        offsets = self._naming(file)
        for offset in offsets[:MOST_UNITS]:
            yield self._unit(offset)

    def _naming(self, file: str) -> list[int]:
        if self._file is None:
            return []
        try:
            lines = self._file.section(".debug_line")
            if isinstance(lines, Window) and lines.size >= SMALL >> 4:
                return self._naming_in_large(file, lines)
        except (*DAMAGE, UserError):
            return []
        known = self._file_names().items()
        return [offset for offset, names in known if any(same_file(one, file) for one in names)]

    def _naming_in_large(self, file: str, lines: Window) -> list[int]:
        """The units of that name; if none has it, as headers, those with it in their tables."""
        assert self._file is not None
        info = self._file.section(".debug_info")
        if not isinstance(info, Window):
            return []
        own = [offset for offset in units_named(self._file, info, file) if same_file(self._name(offset), file)]
        return own or units_with_lines_of(self._file, info, lines, file)

    def _name(self, offset: int) -> str:
        assert self._file is not None
        return str(PurePosixPath(self._file.info.get_CU_at(offset).get_top_DIE().get_full_path()))

    def _file_names(self) -> dict[int, list[str]]:
        if self._names is None:
            self._names = dict(_names(self._file)) if self._file is not None else {}
        return self._names


def _names(file: DebugFile) -> Iterator[tuple[int, list[str]]]:
    for unit in file.units():
        try:
            program = file.info.line_program_for_CU(unit)
            if program is not None:
                yield unit.cu_offset, list(unit_file_names(unit, program).values())
        except (*DAMAGE, UserError):
            continue
