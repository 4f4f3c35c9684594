"""One file's debug information and where the guest has the file."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Protocol

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE

from vmdbg.c.spelling import Spelling, integer_key
from vmdbg.dwarf.attributes import tag_of
from vmdbg.dwarf.debug_file import DAMAGE, DebugFile
from vmdbg.dwarf.frame_rules import Description
from vmdbg.dwarf.frame_table import FrameTable
from vmdbg.dwarf.location_lists import LocationLists
from vmdbg.dwarf.name_search import NameSearch
from vmdbg.dwarf.scopes import Functions, Scope, Variable
from vmdbg.dwarf.types import DwarfType, TypeContext
from vmdbg.dwarf.unit_files import unit_file_names
from vmdbg.errors import UserError

_STRUCTS = frozenset({"DW_TAG_structure_type", "DW_TAG_class_type"})
_UNIONS, _ENUMS = frozenset({"DW_TAG_union_type"}), frozenset({"DW_TAG_enumeration_type"})
_TAGS_OF = {
    "struct": (_STRUCTS,),
    "union": (_UNIONS,),
    "enum": (_ENUMS,),
    "": (frozenset({"DW_TAG_typedef", "DW_TAG_base_type"}), _STRUCTS | _UNIONS | _ENUMS),
}


class Places(Protocol):
    """Addresses of a file in the guest, and back (vmdbg.symbols.placement)."""

    def to_guest(self, address: int) -> int | None: ...

    def to_file(self, address: int) -> int | None: ...


class Program:
    """Functions, types and frames of a file. What is damaged counts as not there."""

    def __init__(self, file: DebugFile) -> None:
        self.file = file
        self.address_size = file.address_size
        self.names = NameSearch(file)
        self.types = TypeContext(file.address_size, self._definition)
        self.locations = LocationLists(file)
        self._functions = Functions(file)
        self._variables: dict[tuple[int | str, ...], Variable | None] = {}
        self._files: dict[int, dict[int, str]] = {}

    def scopes(self, address: int) -> tuple[Scope, ...]:
        """As Functions.at()."""
        if not self.file.has_units:
            return ()
        try:
            return self._functions.at(address)
        except (*DAMAGE, UserError):
            return ()

    def begins_after(self, address: int, line: int) -> bool:
        """Whether a function, or an inlined copy of one, begins at the address that is declared below the line."""
        try:
            return any(scope.entry == address and scope.declared_line > line for scope in self.scopes(address))
        except (*DAMAGE, UserError):
            return False

    def variable_in(self, scope: Scope, name: str) -> Variable | None:
        """What a name means in a scope."""
        key: tuple[int | str, ...] = (*(block.offset for block in scope.blocks), name)
        if key not in self._variables:
            try:
                self._variables[key] = scope.find(name)
            except DAMAGE:
                return None
        return self._variables[key]

    def unit_at(self, address: int) -> CompileUnit | None:
        try:
            return self.file.unit_at(address)
        except (*DAMAGE, UserError):
            return None

    @cached_property
    def _tables(self) -> tuple[FrameTable, ...]:
        found = []
        for name, is_eh in ((".debug_frame", False), (".eh_frame", True)):
            stream = self.file.section(name)
            if stream is not None:
                data = stream.getvalue() if isinstance(stream, io.BytesIO) else stream.at(0, stream.size)
                found.append(FrameTable(data, self.file.address_of(name), self.address_size, is_eh=is_eh))
        return tuple(found)

    def frame_description(self, address: int) -> Description | None:
        """How to leave the code of an address; None where nothing says."""
        try:
            for table in self._tables:
                found = table.find(address)
                if found is not None:
                    return found
        except (*DAMAGE, UserError):
            return None
        return None

    def file_name(self, unit: CompileUnit | None, number: int) -> str:
        """A file of the source by its number in a unit; "" if nothing says."""
        if unit is None:
            return ""
        names = self._files.get(unit.cu_offset)
        if names is None:
            try:
                program = self.file.info.line_program_for_CU(unit)
                names = unit_file_names(unit, program) if program is not None else {}
            except (*DAMAGE, UserError):
                names = {}
            self._files[unit.cu_offset] = names
        return names.get(number, "")

    def _definition(self, declared: DwarfType) -> DwarfType | None:
        """Of a struct that a unit only declares."""
        if not declared.name or declared.die is None:
            return None
        die = self.names.type(declared.name, frozenset({tag_of(declared.die)}))
        return self.types.type(die) if die is not None else None

    def type_named(self, name: str, tags: frozenset[str], near: CompileUnit | None = None) -> DwarfType | None:
        """A type by its name: of the unit `near` first. Only what is defined counts."""
        try:
            die = self.names.type(name, tags, near)
        except (*DAMAGE, UserError):
            return None
        return self.types.type(die) if die is not None else None

    def enumerator(self, name: str, near: CompileUnit | None = None) -> tuple[DwarfType, int] | None:
        """The enum that has an enumerator of that name, of the unit `near` first, and its number."""
        try:
            die = self.names.enumeration_with(name, near)
            if die is None:
                return None
            type_ = self.types.type(die)
            return type_, next(one.value for one in type_.enumerators if one.name == name)
        except (*DAMAGE, UserError, StopIteration):
            return None

    def type_spelled(self, spelling: Spelling, near: CompileUnit | None = None) -> DwarfType | None:
        """What the name in a spelling means, of the unit `near` first; None if the file does not say."""
        if not spelling.tag and spelling.name == "void":
            return self.types.type(None)
        if spelling.is_integer:
            return self._integer(integer_key(spelling.name), near)
        for tags in _TAGS_OF[spelling.tag]:
            found = self.type_named(spelling.name, tags, near)
            if found is not None:
                return found
        return None

    def _integer(self, key: str, near: CompileUnit | None) -> DwarfType | None:
        """C's own integers have the same sizes in every unit: any that has one will do."""
        try:
            die = self.names.base_type(lambda name: integer_key(name) == key, near)
        except (*DAMAGE, UserError):
            return None
        return self.types.type(die) if die is not None else None

    def variable_at(self, name: str, address: int) -> DIE | None:
        """The entry of a variable outside of functions by its name and the address of its symbol, or None."""
        try:
            return self.names.variable_at(name, address)
        except (*DAMAGE, UserError):
            return None
