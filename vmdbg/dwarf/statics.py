"""Variables that live as long as their program: those of a function, and those of a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE

from vmdbg.dwarf.attributes import attribute, block, key, name_of, with_origins
from vmdbg.dwarf.scopes import Scope, Variable

MAX_DEPTH = 32
MOST = 4096
"""Variables of one file."""
_CONTAINERS = frozenset({"DW_TAG_namespace", "DW_TAG_module"})
_BLOCKS = frozenset({"DW_TAG_lexical_block", "DW_TAG_try_block", "DW_TAG_catch_block", "DW_TAG_with_stmt"})
_OF_THE_PROGRAM = frozenset({0x03, 0xA1})
"""DW_OP_addr, DW_OP_addrx: a place that is the same in every frame (DWARF 5, 2.5.1.1)."""


@dataclass(frozen=True, slots=True)
class UnitVariables:
    """Defined outside of functions, in the order of the source. `own` are seen in this file alone."""

    own: tuple[Variable, ...]
    shared: tuple[Variable, ...]


def unit_variables(unit: CompileUnit) -> UnitVariables:
    """Raises what DAMAGE lists."""
    own: list[Variable] = []
    shared: list[Variable] = []
    for count, die in enumerate(_defined(unit.get_top_DIE(), MAX_DEPTH)):
        if count >= MOST:
            break
        listed = shared if attribute(die, "DW_AT_external") is not None else own
        listed.append(Variable(name_of(die), die, is_parameter=False))
    return UnitVariables(tuple(own), tuple(shared))


def function_statics(scope: Scope) -> list[Variable]:
    """Those of every block of a function. Raises what DAMAGE lists."""
    found: dict[tuple[int, int], Variable] = {}
    for origin in with_origins(scope.die):
        for die in _below(origin, MAX_DEPTH):
            name = name_of(die)
            if name and _is_of_the_program(die):
                found.setdefault(key(die), Variable(name, die, is_parameter=False))
    return list(found.values())


def _defined(parent: DIE, depth: int) -> Iterator[DIE]:
    for child in parent.iter_children():
        if child.tag == "DW_TAG_variable":
            if name_of(child) and ("DW_AT_location" in child.attributes or "DW_AT_const_value" in child.attributes):
                yield child
        elif child.tag in _CONTAINERS and depth:
            yield from _defined(child, depth - 1)


def _below(parent: DIE, depth: int) -> Iterator[DIE]:
    for child in parent.iter_children():
        if child.tag == "DW_TAG_variable":
            yield child
        elif child.tag in _BLOCKS and depth:
            yield from _below(child, depth - 1)


def _is_of_the_program(die: DIE) -> bool:
    expression = block(attribute(die, "DW_AT_location"))
    return bool(expression) and expression is not None and expression[0] in _OF_THE_PROGRAM
