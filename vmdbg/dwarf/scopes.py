"""Functions and blocks of source by address: what is inlined where, and the variables that are in scope."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE

from vmdbg.dwarf.attributes import attribute, key, name_of, with_origins
from vmdbg.dwarf.debug_file import DebugFile
from vmdbg.dwarf.ranges import covers, entry_ranges

MAX_DEPTH = 64
_CONTAINERS = frozenset({
    "DW_TAG_namespace", "DW_TAG_class_type", "DW_TAG_structure_type", "DW_TAG_union_type", "DW_TAG_module",
    "DW_TAG_interface_type",
})  # fmt: skip
_BLOCKS = frozenset({"DW_TAG_lexical_block", "DW_TAG_try_block", "DW_TAG_catch_block", "DW_TAG_with_stmt"})
_VARIABLES = frozenset({"DW_TAG_formal_parameter", "DW_TAG_variable", "DW_TAG_constant"})


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable or parameter as it is declared in a scope."""

    name: str
    die: DIE
    is_parameter: bool

    @property
    def is_declared_elsewhere(self) -> bool:
        """`extern` in a block."""
        return "DW_AT_declaration" in self.die.attributes


@dataclass(frozen=True)
class Scope:
    """A function that an address is in: `die` is its own entry, or that of one inlined copy.

    `blocks` are the entries around the address, the innermost first, `die` last.
    """

    die: DIE
    blocks: tuple[DIE, ...]

    @property
    def is_inlined(self) -> bool:
        return bool(self.die.tag == "DW_TAG_inlined_subroutine")

    @property
    def name(self) -> str:
        return name_of(self.die)

    @property
    def entry(self) -> int | None:
        """Where the code begins, in the file. Raises what DAMAGE lists."""
        ranges = entry_ranges(self.die)
        return ranges[0][0] if ranges else None

    @property
    def declared_line(self) -> int:
        """Of its source; 0 if nobody says. Raises what DAMAGE lists."""
        found = attribute(self.die, "DW_AT_decl_line")
        return found.value if found is not None and isinstance(found.value, int) else 0

    @property
    def call_file(self) -> int | None:
        return _number(self.die, "DW_AT_call_file")

    @property
    def call_line(self) -> int:
        """Where an inlined function was called; 0 if nobody says."""
        return _number(self.die, "DW_AT_call_line") or 0

    def parameters(self) -> list[Variable]:
        """In the order in which they are declared: copies of an inlined function may list them otherwise."""
        return list(self._parameters)

    @cached_property
    def _parameters(self) -> tuple[Variable, ...]:
        found = [one for one in _variables(self.die) if one.is_parameter]
        return tuple(sorted(found, key=lambda one: [*with_origins(one.die)][-1].offset))

    def locals(self) -> list[Variable]:
        """The innermost block's first; one of an inner block hides its namesakes, which are listed all the same."""
        return [one for block in self.blocks for one in _variables(block) if not one.is_parameter]

    def find(self, name: str) -> Variable | None:
        """What a name means here: the innermost of that name."""
        for block in self.blocks:
            found = [one for one in _variables(block) if one.name == name and not one.is_declared_elsewhere]
            if found:
                return found[-1]
        return None


class Functions:
    """Of one file. Raises what DAMAGE lists."""

    def __init__(self, file: DebugFile) -> None:
        self._file = file
        self._units: dict[int, tuple[list[tuple[int, int, int]], int]] = {}
        self._found: dict[int, tuple[Scope, ...]] = {}

    def at(self, address: int) -> tuple[Scope, ...]:
        """The functions that an address of the file is in: the innermost inlined one first, the real one last."""
        known = self._found.get(address)
        if known is None:
            if len(self._found) > 4096:
                self._found.clear()
            known = self._found[address] = self._at(address)
        return known

    def _at(self, address: int) -> tuple[Scope, ...]:
        unit = self._file.unit_at(address)
        function = self._function_at(unit, address) if unit is not None else None
        return tuple(_scopes(function, address)) if function is not None else ()

    def _function_at(self, unit: CompileUnit, address: int) -> DIE | None:
        ranges, longest = self._index(unit)
        best: tuple[int, int] | None = None
        for index in range(bisect_right(ranges, (address, 1 << 64, 0)) - 1, -1, -1):
            start, end, offset = ranges[index]
            if address - start > longest:
                break
            if start <= address < end and (best is None or end - start < best[0]):
                best = end - start, offset
        return unit.get_DIE_from_refaddr(best[1]) if best is not None else None

    def _index(self, unit: CompileUnit) -> tuple[list[tuple[int, int, int]], int]:
        known = self._units.get(unit.cu_offset)
        if known is None:
            found = [(start, end, die.offset) for die in functions_of(unit) for start, end in entry_ranges(die)]
            found.sort()
            known = found, max((end - start for start, end, _ in found), default=0)
            self._units[unit.cu_offset] = known
        return known


def functions_of(unit: CompileUnit) -> Iterator[DIE]:
    """Every function with code, those in namespaces and classes too."""
    yield from _functions_below(unit.get_top_DIE(), MAX_DEPTH)


def _functions_below(parent: DIE, depth: int) -> Iterator[DIE]:
    for child in parent.iter_children():
        if child.tag == "DW_TAG_subprogram":
            if "DW_AT_low_pc" in child.attributes or "DW_AT_ranges" in child.attributes:
                yield child
                yield from _nested(child, depth)
        elif child.tag in _CONTAINERS and child.has_children and depth:
            yield from _functions_below(child, depth - 1)


def _nested(function: DIE, depth: int) -> Iterator[DIE]:
    """Functions in a function, as GNU C and Pascal have them."""
    if not depth:
        return
    for child in function.iter_children():
        if child.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in child.attributes:
            yield child
            yield from _nested(child, depth - 1)


def _scopes(function: DIE, address: int) -> Iterator[Scope]:
    """The innermost first."""
    found: list[tuple[DIE, list[DIE]]] = [(function, [function])]
    inside = function
    for _ in range(MAX_DEPTH):
        child = _child_at(inside, address)
        if child is None:
            break
        if child.tag == "DW_TAG_inlined_subroutine":
            found.append((child, []))
        found[-1][1].insert(0, child)
        inside = child
    for die, blocks in reversed(found):
        yield Scope(die, tuple(blocks))


def _child_at(parent: DIE, address: int) -> DIE | None:
    for child in parent.iter_children():
        is_scope = child.tag in _BLOCKS or child.tag == "DW_TAG_inlined_subroutine"
        if is_scope and covers(entry_ranges(child), address):
            return child
    return None


def _variables(block: DIE) -> list[Variable]:
    """In the order of the source; those that the compiler left out of a copy are taken from what it is a copy of."""
    own = [child for child in block.iter_children() if child.tag in _VARIABLES]
    copied = _copied(block, MAX_DEPTH)
    left_out = [
        child
        for origin in list(with_origins(block))[1:]
        for child in origin.iter_children()
        if child.tag in _VARIABLES and key(child) not in copied
    ]
    found = (Variable(name_of(child), child, child.tag == "DW_TAG_formal_parameter") for child in [*own, *left_out])
    return [one for one in found if one.name]


def _copied(block: DIE, depth: int) -> set[tuple[int, int]]:
    """What the variables of a block, and of those in it, are copies of."""
    found: set[tuple[int, int]] = set()
    for child in block.iter_children():
        if child.tag in _VARIABLES:
            found.update(key(one) for one in with_origins(child))
        elif child.tag in _BLOCKS and depth:
            found |= _copied(child, depth - 1)
    return found


def _number(die: DIE, name: str) -> int | None:
    found = die.attributes.get(name)
    return int(found.value) if found is not None and isinstance(found.value, int) else None
