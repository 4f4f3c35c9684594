"""From a frame to the one that called it, by call frame information."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.c.content import NotAvailableError
from vmdbg.dwarf.frame_rules import (
    AtExpression,
    AtOffset,
    CfaRegister,
    Description,
    InOther,
    Row,
    Rule,
    SameValue,
    Undefined,
    ValueAtOffset,
    ValueOfExpression,
    row_at,
)
from vmdbg.dwarf.location import BaseType
from vmdbg.dwarf.machine import CallerRegisters, Machine
from vmdbg.dwarf.operations import Operations, operations
from vmdbg.dwarf.registers import kept_by_calls, register_names, register_set
from vmdbg.dwarf.stack_machine import StackMachine

DAMAGED = (ValueError, IndexError, KeyError, OverflowError)


class UnwindError(NotAvailableError):
    """Why the caller cannot be told."""


@dataclass(frozen=True, slots=True)
class CallFrame:
    """The caller's registers, as far as they are known. `exact`: `rip` was interrupted, and did not call."""

    registers: CallerRegisters
    cfa: int
    exact: bool


class FrameRules:
    """Surroundings of the expressions in frame information: they stand in no unit."""

    def __init__(self, machine: Machine, placed: Callable[[int], int]) -> None:
        self.machine = machine
        self._placed = placed

    def placed(self, address: int) -> int:
        return self._placed(address)

    def frame_base(self) -> int:
        raise NotAvailableError("a frame rule that depends on a function")

    cfa = frame_base

    def indexed_address(self, index: int) -> int:
        raise NotAvailableError("a frame rule that depends on a unit")

    def entry_value(self, inner: Operations) -> int:
        raise NotAvailableError("a frame rule that depends on a function")

    def parameter_value(self, offset: int) -> int:
        raise NotAvailableError("a frame rule that depends on a function")

    def base_type(self, offset: int) -> BaseType | None:
        raise NotAvailableError("a frame rule that depends on a unit")

    def operations_of(self, offset: int, *, in_unit: bool) -> Operations:
        raise NotAvailableError("a frame rule that depends on a unit")


class Step:
    """One frame with its row."""

    def __init__(self, machine: Machine, description: Description, address: int, placed: Callable[[int], int]) -> None:
        """`address` is that of the code whose row counts, as the file has it. Raises UnwindError."""
        self._machine = machine
        self._rules = FrameRules(machine, placed)
        self._description = description
        try:
            self._row: Row = row_at(description, address)
        except DAMAGED as error:
            raise UnwindError(f"the frame information of {address:#x} is damaged: {error}") from error
        self._names = register_names(machine.address_size)
        self._all = register_set(machine.address_size)
        self._kept = kept_by_calls(machine.address_size)

    @property
    def is_signal(self) -> bool:
        return self._description.common.is_signal

    def cfa(self) -> int:
        """The canonical frame address: the caller's stack pointer, in most cases. Raises VmdbgError."""
        cfa = self._row.cfa
        if cfa is None:
            raise UnwindError("the frame information does not say where the frame is")
        if isinstance(cfa, CfaRegister):
            name = self._names.get(cfa.number, "")
            return self._machine.register(name) + cfa.offset & self._machine.mask
        return self._expression(cfa.expression, None)

    def caller(self) -> CallFrame | None:
        """None for the outermost frame. Raises VmdbgError."""
        return_rule = self._row.rules.get(self._description.common.return_register)
        if isinstance(return_rule, Undefined):
            return None
        cfa = self.cfa()
        registers, names = self._machine.registers, self._names
        spoken_of = {names[number]: rule for number, rule in self._row.rules.items() if number in names}
        found = {name: registers[name] for name in self._kept if name not in spoken_of and name in registers}
        for name, rule in spoken_of.items():
            value = self._value(rule, name, cfa) if name != "rip" else None
            if value is not None:
                found[name] = value
        if return_rule is None:
            raise UnwindError("the frame information does not say where the return address is")
        pc = self._value(return_rule, "rip", cfa)
        if pc is None:
            raise UnwindError("the return address is not known")
        found["rip"] = pc & self._machine.mask
        found.setdefault("rsp", cfa)
        left = {**self._machine.unchanged, **registers}
        unchanged = {
            name: value
            for name, value in left.items()
            if name in self._all and name not in spoken_of and name not in found
        }
        return CallFrame(CallerRegisters(found, unchanged), cfa, self.is_signal)

    def _value(self, rule: Rule, name: str, cfa: int) -> int | None:
        """None for what is not known. Raises VmdbgError where memory cannot be read."""
        machine = self._machine
        match rule:
            case AtOffset(offset):
                return machine.word(cfa + offset)
            case Undefined():
                return None
            case SameValue():
                return machine.registers.get(name)
            case ValueAtOffset(offset):
                return cfa + offset & machine.mask
            case InOther(number):
                return machine.registers.get(self._names.get(number, ""))
            case AtExpression(expression):
                return machine.word(self._expression(expression, cfa))
            case ValueOfExpression(expression):
                return self._expression(expression, cfa)

    def _expression(self, expression: bytes, cfa: int | None) -> int:
        evaluation = StackMachine(self._rules)
        if cfa is not None:
            evaluation.push(cfa)
        try:
            return evaluation.address(operations(expression, self._machine.address_size))
        except DAMAGED as error:
            raise UnwindError(f"the frame information is damaged: {error}") from error
