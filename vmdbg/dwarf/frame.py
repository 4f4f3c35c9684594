"""One frame of a stopped program: its functions, and what their variables are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE, AttributeValue

from vmdbg.c.content import OPTIMIZED_OUT, Content, NotAvailableError
from vmdbg.c.types import Kind
from vmdbg.dwarf import call_sites
from vmdbg.dwarf.attributes import attribute, block, constant, referred
from vmdbg.dwarf.debug_file import DAMAGE
from vmdbg.dwarf.frame_variables import FrameVariables
from vmdbg.dwarf.located_bits import constant_value, settled
from vmdbg.dwarf.location import BaseType, Computed, InMemory, Location, Nowhere
from vmdbg.dwarf.machine import Machine, ReadMemory
from vmdbg.dwarf.operations import Operations, operations
from vmdbg.dwarf.program import Places, Program
from vmdbg.dwarf.prologue import MAX_PROLOGUE, prologue_end, registers_at_entry
from vmdbg.dwarf.scopes import Scope, Variable
from vmdbg.dwarf.stack_machine import StackMachine
from vmdbg.dwarf.types import DwarfType
from vmdbg.dwarf.unwind import CallFrame, Step, UnwindError
from vmdbg.errors import VmdbgError

MAX_LENGTH = 1 << 24
OWN_FRAME = 1 << 16
"""How far below the stack pointer a frame that is being made may reach."""


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
    def unit(self) -> CompileUnit | None:
        return self.program.unit_at(self.pc) if self.pc is not None else None

    @property
    def function(self) -> DIE | None:
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
        function = self.function
        found = attribute(function, "DW_AT_frame_base") if function is not None else None
        expression = self._chosen(function, found) if function is not None and found is not None else None
        if expression is None:
            raise NotAvailableError("the frame base is not known")
        return StackMachine(self).address(self._parsed(expression))

    def indexed_address(self, index: int) -> int:
        return int(self.program.file.info.get_addr(self._own_unit, index))

    @property
    def _own_unit(self) -> CompileUnit:
        if self.unit is None:
            raise NotAvailableError("it depends on a unit, and none is of this code")
        return self.unit

    def _in_unit(self, offset: int) -> DIE:
        return self._own_unit.get_DIE_from_refaddr(self._own_unit.cu_offset + offset)

    def base_type(self, offset: int) -> BaseType | None:
        if not offset:
            return None
        die = self._in_unit(offset)
        return BaseType(constant(die, "DW_AT_byte_size") or 0, constant(die, "DW_AT_encoding") or 0)

    def operations_of(self, offset: int, *, in_unit: bool) -> Operations:
        die = self._in_unit(offset) if in_unit else self.program.file.info.get_DIE_from_refaddr(offset)
        found = attribute(die, "DW_AT_location")
        expression = self._chosen(die, found) if found is not None else None
        return self._parsed(expression) if expression is not None else ()

    def entry_value(self, inner: Operations) -> int:
        return self._passed(lambda parameter: call_sites.is_in_place(parameter, inner, self._parsed))

    def parameter_value(self, offset: int) -> int:
        return self._passed(lambda parameter: call_sites.is_for(parameter, self._own_unit.cu_offset + offset))

    def _passed(self, is_wanted: Callable[[DIE], bool]) -> int:
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

    def _is_called_by(self, site: DIE, caller: Frame) -> bool:
        """Whether the call goes to this function: another may have jumped here since."""
        target = call_sites.target_of(site)
        function = self.function
        if function is None:
            return False
        if target is not None:
            return call_sites.is_same_function(target, function)
        expression = call_sites.target_expression(site)
        low = function.attributes.get("DW_AT_low_pc")
        if expression is None or low is None:
            return False
        return StackMachine(caller).address(caller._parsed(expression)) == self.places.to_guest(low.value)

    # variables

    def variables(self, scope: Scope) -> FrameVariables:
        """Those that one of the frame's functions sees."""
        return FrameVariables(scope, self.unit)

    def value(self, variable: Variable) -> Found:
        """What a variable is here. What cannot be told is said in its content."""
        return self.value_of(variable.die)

    def value_of(self, die: DIE) -> Found:
        """Of the entry of a variable."""
        type_ = self.program.types.type(None)
        try:
            type_ = self.program.types.type_of(die)
            concrete = self._concrete(type_)
            frame = self._counted_on if self._is_counted_on(die) else self
            return Found(concrete, settled(frame.machine, frame._location(die, concrete), concrete.size))
        except NotAvailableError as error:
            return Found(type_, Content.nothing(str(error)))
        except VmdbgError as error:
            return Found(type_, Content.nothing(f"not readable: {error}"))
        except DAMAGE:
            return Found(type_, Content.nothing("its debug information is damaged"))

    def _location(self, die: DIE, type_: DwarfType) -> Location:
        found = attribute(die, "DW_AT_location")
        if found is None:
            return constant_value(attribute(die, "DW_AT_const_value"), type_.size)
        expression = self._chosen(die, found)
        if expression is None:
            return Nowhere()
        where = StackMachine(self).location(self._parsed(expression))
        if isinstance(where, InMemory) and block(found) is not None and self._is_to_be_made(where.address):
            return self._before_frame(die)
        return where

    def _is_counted_on(self, die: DIE) -> bool:
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
        return is_own and self.unit is not None and self.pc < prologue_end(self.program.file.info, self.unit, start)

    @property
    def _start(self) -> int | None:
        """The first instruction of the function."""
        low = self.function.attributes.get("DW_AT_low_pc") if self.function is not None else None
        return int(low.value) if low is not None else None

    def _before_frame(self, die: DIE) -> Location:
        """An argument at the first instruction, out of its registers; nothing else has a value there."""
        function = self.function if self.pc == self._start else None
        names = registers_at_entry(self.program.types, function, die) if function is not None else ()
        if not names or self.machine.address_size != 8:
            return Nowhere("not there yet: the function is making its frame")
        bits = sum(self.machine.register(name) << 64 * index for index, name in enumerate(names))
        return Computed(bits, 8 * len(names))

    def _chosen(self, die: DIE, found: AttributeValue, pc: int | None = None) -> bytes | None:
        """The expression of an attribute that holds here, or at another address; None if none does."""
        return self.program.locations.chosen(die, found, self.pc if pc is None else pc)

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

    def _bound(self, die: DIE, name: str) -> int:
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


class Frames:
    """Makes the frames of a program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def frame(
        self,
        places: Places,
        read: ReadMemory,
        registers: Mapping[str, int],
        *,
        exact: bool,
        caller: Callable[[], Frame | None],
    ) -> Frame:
        """One that is at the registers' `rip`."""
        machine = Machine(read, registers, self._program.address_size)
        return Frame(self._program, places, machine, exact=exact, caller=caller)
