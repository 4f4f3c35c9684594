"""Variables while a function makes its frame: code that is not optimized keeps them there from the prologue's end on.

At the very first instruction the arguments are still where the calling convention puts them (System V ABI, AMD64
supplement, 3.2.3).
"""

from __future__ import annotations

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo

from vmdbg.c.types import AGGREGATES, CType, Kind
from vmdbg.dwarf.types import DwarfType, TypeContext

MAX_PROLOGUE = 256
ARGUMENT_REGISTERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_LARGEST_IN_REGISTERS = 16


def prologue_end(info: DWARFInfo, unit: CompileUnit, start: int) -> int:
    """Where the code of a function's second line begins, or the line that the compiler marks; `start` if none does."""
    program = info.line_program_for_CU(unit)
    found = start
    for entry in program.get_entries() if program is not None else ():
        state = entry.state
        if state is None or state.end_sequence or not start < state.address < start + MAX_PROLOGUE:
            continue
        if state.prologue_end:
            return int(state.address)
        if state.is_stmt and (found == start or state.address < found):
            found = state.address
    return int(found)


def registers_at_entry(types: TypeContext, function: DIE, parameter: DIE) -> tuple[str, ...]:
    """Which registers a parameter comes in; none if it comes otherwise, or if that cannot be told."""
    returned = types.type_of(function).strip()
    left = list(ARGUMENT_REGISTERS)
    if returned.kind in AGGREGATES and returned.size > _LARGEST_IN_REGISTERS:
        left.pop(0)
    for child in function.iter_children():
        if child.tag != "DW_TAG_formal_parameter":
            continue
        count = _words(types.type_of(child))
        used, rest = left[:count], left[count:]
        fits = len(used) == count
        if child.offset == parameter.offset:
            return tuple(used) if fits else ()
        left = rest if fits else left
    return ()


def _words(type_: DwarfType) -> int:
    """Integer registers that a parameter of the type takes; 0 for none."""
    stripped = type_.strip()
    if stripped.kind is Kind.FLOAT or stripped.size > _LARGEST_IN_REGISTERS:
        return 0
    if stripped.kind in AGGREGATES and _has_fraction(stripped):
        return 0
    return (stripped.size + 7) // 8


def _has_fraction(type_: CType, depth: int = 16) -> bool:
    stripped = type_.strip()
    if stripped.kind is Kind.FLOAT or not depth:
        return True
    if stripped.kind is Kind.ARRAY:
        return _has_fraction(stripped.element, depth - 1)
    if stripped.kind in AGGREGATES:
        parts = [field.type for _, field in stripped.fields]
        return any(_has_fraction(part, depth - 1) for part in parts)
    return False
