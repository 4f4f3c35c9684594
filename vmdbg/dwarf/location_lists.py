"""Which expression of an attribute holds at an address: DW_AT_location and its like. Source: DWARF 5, 2.6.2."""

from __future__ import annotations

from collections.abc import Iterable

from elftools.dwarf.die import DIE, AttributeValue
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.locationlists import (
    BaseAddressEntry,
    LocationEntry,
    LocationExpr,
    LocationParser,
    LocationViewPair,
)

from vmdbg.dwarf.attributes import block, key
from vmdbg.dwarf.debug_file import DebugFile
from vmdbg.dwarf.ranges import unit_base

MOST_KEPT = 1 << 14
_Entry = BaseAddressEntry | LocationEntry | LocationExpr | LocationViewPair


class LocationLists:
    """Of one file; remembers what it found. Raises what DAMAGE lists."""

    def __init__(self, file: DebugFile) -> None:
        self._file = file
        self._kept: dict[tuple[int | None, ...], bytes | None] = {}

    def chosen(self, die: DIE, found: AttributeValue, address: int | None) -> bytes | None:
        """The expression of an attribute of `die` that holds at an address of the file; None if none does."""
        expression = block(found)
        if expression is not None:
            return expression
        asked = (*key(die), found.offset, address)
        if asked not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[asked] = _holding(_entries(self._file.info, die, found), unit_base(die.cu), address)
        return self._kept[asked]


def _entries(info: DWARFInfo, die: DIE, found: AttributeValue) -> Iterable[_Entry]:
    parsed = LocationParser(info.location_lists()).parse_from_attribute(found, die.cu.header.version, die=die)
    if isinstance(parsed, LocationExpr):
        raise ValueError("an expression of a form that DWARF does not know")
    return parsed


def _holding(entries: Iterable[_Entry], base: int, address: int | None) -> bytes | None:
    default: bytes | None = None
    for entry in entries:
        if isinstance(entry, BaseAddressEntry):
            base = entry.base_address
        elif isinstance(entry, LocationEntry):
            if entry.begin_offset == entry.end_offset == -1:
                default = bytes(entry.loc_expr)
                continue
            offset = 0 if entry.is_absolute else base
            if address is not None and offset + entry.begin_offset <= address < offset + entry.end_offset:
                return bytes(entry.loc_expr)
    return default
