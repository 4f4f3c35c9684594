"""Types and variables of a file by name.

Small files are read as a whole. Of a large one only units are read in which the bytes of the name, or of the
variable's address, are: a kernel's 160 MB of entries would take minutes.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE

from vmdbg.dwarf.attributes import name_of
from vmdbg.dwarf.debug_file import DAMAGE, DebugFile
from vmdbg.dwarf.unit_search import unit_heads
from vmdbg.dwarf.window import Window

MOST_UNITS = 48
"""Units read in the search for one name."""
_CONTAINERS = frozenset({"DW_TAG_namespace", "DW_TAG_module"})
_TYPES = frozenset({
    "DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type", "DW_TAG_enumeration_type", "DW_TAG_typedef",
    "DW_TAG_base_type",
})  # fmt: skip
_ENUMERATION = "DW_TAG_enumeration_type"
_MAX_DEPTH = 32


class NameSearch:
    """Raises what DAMAGE lists."""

    def __init__(self, file: DebugFile) -> None:
        self._file = file
        self._units: dict[int, dict[str, list[DIE]]] = {}
        self._types: dict[tuple[str, frozenset[str]], DIE | None] = {}
        self._variables: dict[str, DIE | None] = {}
        self._enumerations: dict[str, DIE | None] = {}
        self._enumerators: dict[int, dict[str, DIE]] = {}
        self._starts: list[int] | None = None

    def type(self, name: str, tags: frozenset[str], near: CompileUnit | None = None) -> DIE | None:
        """The entry that defines a type, of the unit `near` if that has one; None."""
        if near is not None and (found := self._type_in(near, name, tags)) is not None:
            return found
        key = name, tags
        if key not in self._types:
            candidates = (self._type_in(unit, name, tags) for unit in self._units_with(name))
            self._types[key] = next((one for one in candidates if one is not None), None)
        return self._types[key]

    def enumeration_with(self, name: str, near: CompileUnit | None = None) -> DIE | None:
        """The enum outside of functions that has an enumerator of that name, of the unit `near` if one has; None."""
        if near is not None and (found := self._enumerators_of(near).get(name)) is not None:
            return found
        if name not in self._enumerations:
            candidates = (self._enumerators_of(unit).get(name) for unit in self._units_with(name))
            self._enumerations[name] = next((one for one in candidates if one is not None), None)
        return self._enumerations[name]

    def variable_at(self, name: str, address: int) -> DIE | None:
        """The entry that defines a variable whose symbol is at an address; None."""
        info = self._file.section(".debug_info")
        if not isinstance(info, Window) or self._is_small(info):
            return self._variable(name)
        needle = b"\x03" + address.to_bytes(self._file.address_size, "little")
        if name not in self._variables:
            candidates = (self._variable_in(unit, name) for unit in self._units_at(info, info.find_all(needle)))
            self._variables[name] = next((one for one in candidates if one is not None), None)
        return self._variables[name]

    def _variable(self, name: str) -> DIE | None:
        if name not in self._variables:
            candidates = (self._variable_in(unit, name) for unit in self._file.units())
            self._variables[name] = next((one for one in candidates if one is not None), None)
        return self._variables[name]

    def base_type(self, is_wanted: Callable[[str], bool], near: CompileUnit | None = None) -> DIE | None:
        """A base type by its name, of the unit `near` or of one of the first that have any; None."""
        for unit in [near] if near is not None else islice(self._file.units(), MOST_UNITS):
            for name, entries in self._names_of(unit).items():
                if entries[0].tag == "DW_TAG_base_type" and is_wanted(name):
                    return entries[0]
        return None

    def _type_in(self, unit: CompileUnit, name: str, tags: frozenset[str]) -> DIE | None:
        for die in self._names_of(unit).get(name, ()):
            if die.tag in tags and "DW_AT_declaration" not in die.attributes:
                return die
        return None

    def _variable_in(self, unit: CompileUnit, name: str) -> DIE | None:
        for die in self._names_of(unit).get(name, ()):
            defined = "DW_AT_location" in die.attributes or "DW_AT_const_value" in die.attributes
            if die.tag == "DW_TAG_variable" and defined:
                return die
        return None

    def _enumerators_of(self, unit: CompileUnit) -> dict[str, DIE]:
        """By their names, the enums that have them."""
        known = self._enumerators.get(unit.cu_offset)
        if known is None:
            enums = [die for dies in self._names_of(unit).values() for die in dies if die.tag == _ENUMERATION]
            known = {name_of(one): die for die in reversed(enums) for one in die.iter_children()}
            self._enumerators[unit.cu_offset] = known
        return known

    def _names_of(self, unit: CompileUnit) -> dict[str, list[DIE]]:
        known = self._units.get(unit.cu_offset)
        if known is None:
            known = {}
            try:
                for die in _named(unit.get_top_DIE(), _MAX_DEPTH):
                    known.setdefault(name_of(die), []).append(die)
            except DAMAGE:
                pass
            self._units[unit.cu_offset] = known
        return known

    def _is_small(self, info: Window) -> bool:
        return info.size < 1 << 24

    def _units_with(self, name: str) -> Iterator[CompileUnit]:
        info = self._file.section(".debug_info")
        if not isinstance(info, Window) or self._is_small(info):
            yield from self._file.units()
            return
        places = self._mentions(info, name)
        for count, unit in enumerate(self._units_at(info, places)):
            if count >= MOST_UNITS:
                return
            yield unit

    def _mentions(self, info: Window, name: str) -> Iterator[int]:
        """Where the name stands, or a reference to it in .debug_str."""
        raw = name.encode("utf-8", "surrogateescape") + b"\0"
        strings = self._file.section(".debug_str")
        if isinstance(strings, Window):
            for offset in strings.find_all(raw):
                if offset == 0 or strings.at(offset - 1, 1) == b"\0" or len(raw) > 4:
                    yield from info.find_all(struct.pack("<I", offset))
        if len(raw) <= 5:
            yield from info.find_all(raw)

    def _units_at(self, info: Window, places: Iterator[int]) -> Iterator[CompileUnit]:
        if self._starts is None:
            self._starts = [offset for offset, _ in unit_heads(info)]
        seen: set[int] = set()
        for place in places:
            index = bisect_right(self._starts, place) - 1
            if index >= 0 and index not in seen:
                seen.add(index)
                yield self._file.info.get_CU_at(self._starts[index])


def _named(parent: DIE, depth: int) -> Iterator[DIE]:
    for child in parent.iter_children():
        if child.tag in _TYPES or child.tag == "DW_TAG_variable":
            yield child
        elif child.tag in _CONTAINERS and depth:
            yield from _named(child, depth - 1)
