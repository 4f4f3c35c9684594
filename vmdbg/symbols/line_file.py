"""The source lines of one ELF file, read unit by unit as they are needed: a kernel's would take minutes at once."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile

from vmdbg.errors import UserError
from vmdbg.symbols.lines import LineRange, LineTable, same_file, unit_file_names, unit_ranges
from vmdbg.symbols.source import SymbolSource

_DAMAGE = (ELFError, DWARFError, KeyError, ValueError, IndexError, AttributeError, AssertionError, OverflowError)


class LineFile:
    """Lines by address and addresses by line. What is damaged counts as not there."""

    def __init__(self, source: SymbolSource, slide: int = 0) -> None:
        self._slide = slide
        self._units: dict[int, LineTable] = {}
        self._dwarf = _open(source)
        self._ranges: list[tuple[int, int, int]] | None = None
        self._names: dict[int, list[str]] | None = None

    def at(self, address: int) -> LineRange | None:
        table = self._table_at(address)
        return table.at(address) if table is not None else None

    def span(self, address: int) -> tuple[int, int] | None:
        table = self._table_at(address)
        return table.span(address) if table is not None else None

    def is_start(self, address: int) -> bool:
        table = self._table_at(address)
        return table is not None and table.is_start(address)

    def find(self, file: str, line: int) -> int | None:
        """As LineTable.find, over all units that name the file."""
        found = []
        for offset, names in self._file_names().items():
            if any(same_file(name, file) for name in names):
                table = self._unit(offset)
                place = table.find(file, line) if table is not None else None
                if place is not None:
                    at = table.at(place) if table is not None else None
                    found.append((at.line if at is not None else line, place))
        return min(found)[1] if found else None

    def files(self) -> list[str]:
        return sorted({name for names in self._file_names().values() for name in names})

    def _table_at(self, address: int) -> LineTable | None:
        if self._dwarf is None:
            return None
        if self._ranges is None:
            self._ranges = sorted(_unit_addresses(self._dwarf))
        raw = address - self._slide
        index = bisect_right(self._ranges, (raw, 1 << 64, 0)) - 1
        if index < 0 or not self._ranges[index][0] <= raw < self._ranges[index][1]:
            return None
        return self._unit(self._ranges[index][2])

    def _unit(self, offset: int) -> LineTable | None:
        if offset not in self._units:
            try:
                ranges = list(unit_ranges(self._dwarf, self._dwarf.get_CU_at(offset)))
            except _DAMAGE:
                ranges = []
            self._units[offset] = LineTable(ranges, self._slide)
        return self._units[offset]

    def _file_names(self) -> dict[int, list[str]]:
        if self._names is None:
            self._names = dict(_names(self._dwarf)) if self._dwarf is not None else {}
        return self._names


def _open(source: SymbolSource) -> Any:
    """The file's DWARF, None without any. Raises UserError."""
    try:
        file = ELFFile(io.BytesIO(source.read()))
        return file.get_dwarf_info() if file.has_dwarf_info() else None
    except _DAMAGE as error:
        raise UserError(f"the debug information of {source} cannot be read: {error}") from error


def _unit_addresses(dwarf: Any) -> Iterator[tuple[int, int, int]]:
    """Start, end and unit of all code that .debug_aranges lists, else of what the units say of themselves."""
    try:
        aranges = dwarf.get_aranges()
    except _DAMAGE:
        aranges = None
    if aranges is not None and aranges.entries:
        for entry in aranges.entries:
            yield entry.begin_addr, entry.begin_addr + entry.length, entry.info_offset
        return
    for unit in _units(dwarf):
        attributes = unit.get_top_DIE().attributes
        if "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
            low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
            end = high.value if high.form == "DW_FORM_addr" else low + high.value
            yield low, end, unit.cu_offset


def _names(dwarf: Any) -> Iterator[tuple[int, list[str]]]:
    for unit in _units(dwarf):
        try:
            program = dwarf.line_program_for_CU(unit)
            if program is not None:
                yield unit.cu_offset, list(unit_file_names(unit, program).values())
        except _DAMAGE:
            continue


def _units(dwarf: Any) -> Iterator[Any]:
    try:
        yield from dwarf.iter_CUs()
    except _DAMAGE:
        return
