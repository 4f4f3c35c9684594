"""One frame of a stopped program: its functions, and what their variables are."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elftools.dwarf.locationlists import BaseAddressEntry, LocationEntry, LocationParser

from vmdbg.c.content import OPTIMIZED_OUT, Content, NotAvailableError
from vmdbg.c.types import Kind
from vmdbg.dwarf import call_sites
from vmdbg.dwarf.attributes import attribute, block, constant, referred
from vmdbg.dwarf.attributes import key as key_of
from vmdbg.dwarf.debug_file import DAMAGE
from vmdbg.dwarf.machine import Machine
from vmdbg.dwarf.operations import Operations, operations
from vmdbg.dwarf.program import Places, Program
from vmdbg.dwarf.prologue import MAX_PROLOGUE, prologue_end, registers_at_entry
from vmdbg.dwarf.ranges import unit_base
from vmdbg.dwarf.registers import register_bytes
from vmdbg.dwarf.scopes import Scope, Variable
from vmdbg.dwarf.stack_machine import (
    BaseType,
    Composed,
    Computed,
    ImplicitPointer,
    InMemory,
    InRegister,
    Location,
    Nowhere,
    Simple,
    StackMachine,
)
from vmdbg.dwarf.types import DwarfType
from vmdbg.dwarf.unwind import CallFrame, Step, UnwindError
from vmdbg.errors import VmdbgError

MAX_LENGTH = 1 << 24
MAX_CHOSEN = 1 << 14
"""Expressions that are remembered by address."""
OWN_FRAME = 1 << 16
"""How far below the stack pointer a frame that is being made may reach."""
NO_MEMORY = "synthetic pointer"
"""A pointer to what the compiler keeps in no memory."""


@dataclass(frozen=True, slots=True)
class Found:
    """A variable: its type, and where it is or what is known of its bits."""

    type: DwarfType
    where: int | Content


class Frame:
    """A frame of code that `program` describes. Implements stack_machine.Surroundings.

    `pc` is what counts for scopes and locations: for a caller, inside its call instruction. Nothing here changes the
    guest, and everything is read when it is asked for.
    """

    def __init__(
        self,
        program: Program,
        places: Places,
        machine: Machine,
        *,
        exact: bool,
        caller: Callable[[], Frame | None] = lambda: None,
    ) -> None:
        self.program = program
        self.places = places
        self.machine = machine
        self.rip = machine.registers["rip"]
        self._caller = caller
        self._exact = exact
        self.pc = places.to_file(self.rip - (0 if exact else 1) & machine.mask)

    # functions

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """The functions that the frame is of: the innermost inlined one first."""
        return self.program.scopes(self.pc) if self.pc is not None else ()

    @cached_property
    def unit(self) -> Any:
        return self.program.unit_at(self.pc) if self.pc is not None else None

    @property
    def function(self) -> Any:
        """The entry of the function whose frame this is, whatever is inlined into it. None if it is not known."""
        return self.scopes[-1].die if self.scopes else None

    def returned_type(self) -> DwarfType | None:
        """What the function returns, void included; None if nothing says."""
        if self.function is None:
            return None
        try:
            is_prototyped = attribute(self.function, "DW_AT_prototyped") is not None
            type_ = self.program.types.type_of(self.function)
            return type_ if is_prototyped or type_.die is not None else None
        except DAMAGE:
            return None

    # unwinding

    @cached_property
    def step(self) -> Step:
        """Raises UnwindError."""
        description = self.program.frame_description(self.pc) if self.pc is not None else None
        if description is None or self.pc is None:
            raise UnwindError(f"no frame information covers {self.rip:#x}")
        return Step(self.machine, description, self.pc, self.placed)

    def call_frame(self) -> CallFrame | None:
        """The registers of the caller; None for the outermost frame. Raises VmdbgError."""
        return self.step.caller()

    @cached_property
    def caller(self) -> Frame | None:
        return self._caller()

    # Surroundings

    def placed(self, address: int) -> int:
        found = self.places.to_guest(address)
        if found is None:
            raise NotAvailableError("in a section that is not loaded")
        return found

    def cfa(self) -> int:
        return self.step.cfa()

    def frame_base(self) -> int:
        found = attribute(self.function, "DW_AT_frame_base") if self.function is not None else None
        expression = self._chosen(self.function, found) if found is not None else None
        if expression is None:
            raise NotAvailableError("the frame base is not known")
        return StackMachine(self).address(self._parsed(expression))

    def indexed_address(self, index: int) -> int:
        return int(self.program.file.info.get_addr(self.unit, index))

    def base_type(self, offset: int) -> BaseType | None:
        if not offset:
            return None
        die = self.unit.get_DIE_from_refaddr(self.unit.cu_offset + offset)
        return BaseType(constant(die, "DW_AT_byte_size") or 0, constant(die, "DW_AT_encoding") or 0)

    def operations_of(self, offset: int, *, in_unit: bool) -> Operations:
        if in_unit:
            die = self.unit.get_DIE_from_refaddr(self.unit.cu_offset + offset)
        else:
            die = self.program.file.info.get_DIE_from_refaddr(offset)
        found = attribute(die, "DW_AT_location")
        expression = self._chosen(die, found) if found is not None else None
        return self._parsed(expression) if expression is not None else ()

    def entry_value(self, inner: Operations) -> int:
        return self._passed(lambda parameter: call_sites.is_in_place(parameter, inner, self._parsed))

    def parameter_value(self, offset: int) -> int:
        return self._passed(lambda parameter: call_sites.is_for(parameter, self.unit.cu_offset + offset))

    def _passed(self, is_wanted: Callable[[Any], bool]) -> int:
        """What the caller says that it passed. Raises NotAvailableError."""
        caller = self.caller
        if caller is None or self.function is None or caller.function is None:
            raise NotAvailableError(OPTIMIZED_OUT)
        returns_to = caller.places.to_file(caller.rip)
        site = call_sites.site_returning_to(caller.function, returns_to) if returns_to is not None else None
        if site is None or not self._is_called_by(site, caller) or call_sites.may_come_back_by_jump(self.function):
            raise NotAvailableError(OPTIMIZED_OUT)
        value = call_sites.passed_value(site, is_wanted)
        if value is None:
            raise NotAvailableError(OPTIMIZED_OUT)
        return StackMachine(caller).address(caller._parsed(value))

    def _is_called_by(self, site: Any, caller: Frame) -> bool:
        """Whether the call goes to this function: another may have jumped here since."""
        target = call_sites.target_of(site)
        if target is not None:
            return call_sites.is_same_function(target, self.function)
        expression = call_sites.target_expression(site)
        low = self.function.attributes.get("DW_AT_low_pc")
        if expression is None or low is None:
            return False
        return StackMachine(caller).address(caller._parsed(expression)) == self.places.to_guest(low.value)

    # variables

    def parameters(self, scope: Scope) -> list[Variable]:
        """Raises what DAMAGE lists."""
        return scope.parameters()

    def value(self, variable: Variable) -> Found:
        """What a variable is here. What cannot be told is said in its content."""
        return self.value_of(variable.die)

    def value_of(self, die: Any) -> Found:
        """Of the entry of a variable."""
        type_ = self.program.types.type(None)
        try:
            type_ = self.program.types.type_of(die)
            concrete = self._concrete(type_)
            frame = self._counted_on if self._is_counted_on(die) else self
            return Found(concrete, frame._settled(frame._location(die, concrete), concrete.size))
        except NotAvailableError as error:
            return Found(type_, Content.nothing(str(error)))
        except VmdbgError as error:
            return Found(type_, Content.nothing(f"not readable: {error}"))
        except DAMAGE:
            return Found(type_, Content.nothing("its debug information is damaged"))

    def _location(self, die: Any, type_: DwarfType) -> Location:
        found = attribute(die, "DW_AT_location")
        if found is None:
            return _constant_value(attribute(die, "DW_AT_const_value"), type_.size)
        expression = self._chosen(die, found)
        if expression is None:
            return Nowhere()
        where = StackMachine(self).location(self._parsed(expression))
        if isinstance(where, InMemory) and block(found) is not None and self._is_to_be_made(where.address):
            return self._before_frame(die)
        return where

    def _is_counted_on(self, die: Any) -> bool:
        """Whether the place is the same behind the call that the frame has made: the call does not touch it then.

        GCC leaves values in registers that calls may change, over calls of functions that it knows not to (-fipa-ra).
        """
        found = attribute(die, "DW_AT_location")
        if self._exact or self.pc is None or found is None:
            return False
        expression = self._chosen(die, found)
        return expression is not None and self._chosen(die, found, self.pc + 1) == expression

    @cached_property
    def _counted_on(self) -> Frame:
        """With the registers that nobody has saved."""
        made = copy(self)
        registers = {**self.machine.unchanged, **self.machine.registers}
        made.machine = Machine(self.machine.read, registers, self.machine.address_size)
        return made

    def _is_to_be_made(self, address: int) -> bool:
        """Whether a place in the frame is still to be written by the prologue that runs."""
        start = self._start
        if start is None or self.pc is None or not start <= self.pc < start + MAX_PROLOGUE:
            return False
        is_own = self.machine.register("rsp") - OWN_FRAME <= address < self.cfa()
        return is_own and self.pc < prologue_end(self.program.file.info, self.unit, start)

    @property
    def _start(self) -> int | None:
        """The first instruction of the function."""
        low = self.function.attributes.get("DW_AT_low_pc") if self.function is not None else None
        return int(low.value) if low is not None else None

    def _before_frame(self, die: Any) -> Location:
        """An argument at the first instruction, out of its registers; nothing else has a value there."""
        names = registers_at_entry(self.program.types, self.function, die) if self.pc == self._start else ()
        if not names or self.machine.address_size != 8:
            return Nowhere("not there yet: the function is making its frame")
        bits = sum(self.machine.register(name) << 64 * index for index, name in enumerate(names))
        return Computed(bits, 8 * len(names))

    def _chosen(self, die: Any, found: Any, pc: int | None = None) -> bytes | None:
        """The expression of an attribute that holds here, or at another address; None if none does."""
        expression = block(found)
        if expression is not None:
            return expression
        at = self.pc if pc is None else pc
        key = (*key_of(die), found.offset, at)
        chosen = self.program.chosen
        if key not in chosen:
            if len(chosen) >= MAX_CHOSEN:
                chosen.clear()
            parser = LocationParser(self.program.file.info.location_lists())
            entries = parser.parse_from_attribute(found, die.cu.header.version, die=die)
            chosen[key] = self._listed(entries, unit_base(die.cu), at)
        return chosen[key]

    def _listed(self, entries: Any, base: int, pc: int | None) -> bytes | None:
        default: bytes | None = None
        for entry in entries:
            if isinstance(entry, BaseAddressEntry):
                base = entry.base_address
            elif isinstance(entry, LocationEntry):
                if entry.begin_offset == entry.end_offset == -1:
                    default = bytes(entry.loc_expr)
                    continue
                offset = 0 if entry.is_absolute else base
                if pc is not None and offset + entry.begin_offset <= pc < offset + entry.end_offset:
                    return bytes(entry.loc_expr)
        return default

    def _parsed(self, expression: bytes) -> Operations:
        header = self.unit.header if self.unit is not None else None
        wide = self.unit is not None and self.unit.structs.dwarf_format == 64
        version = header.version if header is not None else 5
        return operations(expression, self.machine.address_size, 8 if wide else 4, version)

    def _concrete(self, type_: DwarfType) -> DwarfType:
        """An array whose length the program computes, with the length that it has here."""
        stripped = type_.strip()
        bound = stripped.bound if stripped.kind is Kind.ARRAY and stripped.die is not None else None
        if bound is None or stripped.count:
            return type_
        for name, more in (("DW_AT_count", 0), ("DW_AT_upper_bound", 1)):
            found = bound.attributes.get(name)
            if found is not None and constant(bound, name) is None:
                length = self._bound(bound, name) + more
                if not 0 <= length <= MAX_LENGTH:
                    raise NotAvailableError(f"of an impossible length: {length} elements")
                return stripped.element.array(length)
        return type_

    def _bound(self, die: Any, name: str) -> int:
        """A number that an expression or another variable gives. Raises NotAvailableError."""
        found = die.attributes[name]
        expression = block(found)
        if expression is not None:
            return StackMachine(self).address(self._parsed(expression))
        variable = referred(die, name)
        if variable is None:
            raise NotAvailableError("of a length that is not known")
        value = self.value_of(variable)
        size = value.type.size
        if isinstance(value.where, Content):
            number = value.where.number(8 * size)
        else:
            number = self.machine.word(value.where, size)
        sign = 1 << 8 * size - 1
        return (number ^ sign) - sign

    def _settled(self, where: Location, size: int) -> int | Content:
        if isinstance(where, InMemory):
            return where.address
        if not isinstance(where, Composed):
            return self._bits(where, 8 * size)
        bits = known = at = 0
        reasons = []
        for piece in where.pieces:
            try:
                found = self._bits(piece.where, piece.start + piece.size).part(piece.start, piece.size)
            except VmdbgError as error:
                found = Content.nothing(str(error))
            bits |= found.bits << at
            known |= found.known << at
            if found.known != (1 << piece.size) - 1 and found.why != OPTIMIZED_OUT:
                reasons.append((at, at + piece.size, found.why))
            at += piece.size
        return Content(bits, known, reasons=tuple(reasons))

    def _bits(self, where: Simple, size: int) -> Content:
        """The lowest `size` bits of what is there."""
        match where:
            case InMemory(address):
                count = (size + 7) // 8
                return Content(int.from_bytes(self.machine.read(address, count), "little"), (1 << size) - 1)
            case InRegister(name):
                width = min(size, 8 * register_bytes(name, self.machine.address_size))
                return Content(self.machine.register(name) & (1 << width) - 1, (1 << width) - 1)
            case Computed(bits, bytes_):
                width = min(size, 8 * bytes_)
                return Content(bits & (1 << width) - 1, (1 << width) - 1)
            case ImplicitPointer():
                return Content.nothing(NO_MEMORY)
            case Nowhere(why):
                return Content.nothing(why)


def _constant_value(found: Any, size: int) -> Location:
    if found is None:
        return Nowhere()
    value = found.value
    if isinstance(value, int):
        return Computed(value & (1 << 8 * max(size, 1)) - 1, max(size, 1))
    data = value if isinstance(value, bytes) else bytes(value)
    if found.form.startswith(("DW_FORM_str", "DW_FORM_line_str")):
        data += b"\0"
    return Computed(int.from_bytes(data[:size], "little"), size)
