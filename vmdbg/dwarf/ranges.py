"""The addresses that an entry covers: DW_AT_low_pc, DW_AT_high_pc and DW_AT_ranges. Source: DWARF 5, 2.17."""

from __future__ import annotations

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.dwarf.typeunit import TypeUnit

Range = tuple[int, int]
Unit = CompileUnit | TypeUnit


def entry_ranges(die: DIE) -> list[Range]:
    """[start, end) in the order of the file. Raises what DAMAGE lists."""
    attributes = die.attributes
    if "DW_AT_ranges" in attributes:
        return _listed(die)
    if "DW_AT_low_pc" not in attributes:
        return []
    low = attributes["DW_AT_low_pc"].value
    high = attributes.get("DW_AT_high_pc")
    if high is None:
        return []
    return [(low, high.value if high.form.startswith(("DW_FORM_addr", "DW_FORM_GNU_addr")) else low + high.value)]


def _listed(die: DIE) -> list[Range]:
    lists = die.dwarfinfo.range_lists()
    if lists is None:
        return []
    base = unit_base(die.cu)
    found = []
    for entry in lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, _compile_unit(die)):
        if isinstance(entry, BaseAddressEntry):
            base = entry.base_address
        else:
            offset = 0 if entry.is_absolute else base
            found.append((offset + entry.begin_offset, offset + entry.end_offset))
    return found


def _compile_unit(die: DIE) -> CompileUnit | None:
    """Whose DW_AT_rnglists_base counts."""
    return die.cu if isinstance(die.cu, CompileUnit) else None


def unit_base(unit: Unit) -> int:
    """What offsets in its lists are counted from."""
    low = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    return int(low.value) if low is not None else 0


def covers(ranges: list[Range], address: int) -> bool:
    return any(start <= address < end for start, end in ranges)
