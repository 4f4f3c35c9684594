"""What a caller passed, by its own word: DW_TAG_call_site. Source: DWARF 5, 3.4 and 2.5.1.7 (DW_OP_entry_value).

A value at entry is only true if the caller's call reached the function itself: not another one that jumped on to it,
and not the function's own jump back to its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from elftools.dwarf.die import DIE

from vmdbg.dwarf.attributes import attribute, block, key, name_of, with_origins
from vmdbg.dwarf.operations import Operations
from vmdbg.dwarf.operations import name_of as operation_name

MAX_ENTRIES = 50_000
_SITES = frozenset({"DW_TAG_call_site", "DW_TAG_GNU_call_site"})
_PARAMETERS = frozenset({"DW_TAG_call_site_parameter", "DW_TAG_GNU_call_site_parameter"})
_TAIL = ("DW_AT_call_tail_call", "DW_AT_GNU_tail_call")
_INSIDE = frozenset({
    "DW_TAG_lexical_block", "DW_TAG_inlined_subroutine", "DW_TAG_try_block", "DW_TAG_catch_block",
})  # fmt: skip


def call_sites(function: DIE) -> Iterator[DIE]:
    """Every call in a function, those in what is inlined into it too."""
    waiting, count = [function], 0
    while waiting:
        for child in waiting.pop().iter_children():
            count += 1
            if count > MAX_ENTRIES:
                return
            if child.tag in _SITES:
                yield child
            if child.tag in _INSIDE:
                waiting.append(child)


def site_returning_to(function: DIE, address: int) -> DIE | None:
    """The call that returns to an address of the file, or None."""
    for site in call_sites(function):
        found = site.attributes.get("DW_AT_call_return_pc") or site.attributes.get("DW_AT_low_pc")
        if found is not None and found.value == address and not is_tail_call(site):
            return site
    return None


def is_tail_call(site: DIE) -> bool:
    return any(name in site.attributes for name in _TAIL)


def target_of(site: DIE) -> DIE | None:
    """The entry of the function that is called, where the call names one."""
    for name in ("DW_AT_call_origin", "DW_AT_abstract_origin"):
        if name in site.attributes:
            return site.get_DIE_from_attribute(name)
    return None


def target_expression(site: DIE) -> bytes | None:
    """What gives the address of the function that is called."""
    for name in ("DW_AT_call_target", "DW_AT_GNU_call_site_target"):
        found = block(site.attributes.get(name))
        if found:
            return found
    return None


def is_same_function(one: DIE, other: DIE) -> bool:
    """Whether two entries are of one function: one may be its declaration, in another unit."""
    ours, theirs = [list(with_origins(die)) for die in (one, other)]
    if {key(die) for die in ours} & {key(die) for die in theirs}:
        return True
    is_shared = attribute(one, "DW_AT_external") is not None and attribute(other, "DW_AT_external") is not None
    return is_shared and bool(_linkage(one)) and _linkage(one) == _linkage(other)


def _linkage(die: DIE) -> str:
    found = attribute(die, "DW_AT_linkage_name")
    return str(found.value) if found is not None else name_of(die)


def may_come_back_by_jump(function: DIE) -> bool:
    """Whether a jump at the end of the function, or of one that it jumps to, may begin it anew with other arguments."""
    seen = {key(function)}
    waiting = [function]
    while waiting:
        for site in call_sites(waiting.pop()):
            if not is_tail_call(site):
                continue
            target = target_of(site)
            if target is None or "DW_AT_low_pc" not in target.attributes or is_same_function(target, function):
                return True
            if key(target) not in seen:
                seen.add(key(target))
                waiting.append(target)
    return False


def passed_value(site: DIE, is_wanted: Callable[[DIE], bool]) -> bytes | None:
    """The expression of what was passed, to be evaluated in the caller."""
    for child in site.iter_children():
        if child.tag in _PARAMETERS and is_wanted(child):
            return block(child.attributes.get("DW_AT_call_value") or child.attributes.get("DW_AT_GNU_call_site_value"))
    return None


def is_in_place(parameter: DIE, inner: Operations, parse: Callable[[bytes], Operations]) -> bool:
    """Whether it is what a register that `inner` names had."""
    place = block(parameter.attributes.get("DW_AT_location"))
    return place is not None and _as_places(parse(place)) == _as_places(inner)


def _as_places(steps: Operations) -> list[tuple[str, list[int]]]:
    """With one spelling for a register, whether its number is in the operation, behind it, or has a type."""
    spelled = []
    for step in steps:
        name, arguments = operation_name(step), list(step.args)
        if name.startswith("reg") and name[3:].isdecimal():
            name, arguments = "regx", [int(name[3:])]
        elif name == "regval_type":
            name, arguments = "regx", arguments[:1]
        spelled.append((name, arguments))
    return spelled


def is_for(parameter: DIE, offset: int) -> bool:
    """Whether it is for the parameter whose entry is at an offset of the file."""
    for name in ("DW_AT_call_parameter", "DW_AT_abstract_origin"):
        if name in parameter.attributes:
            return bool(parameter.get_DIE_from_attribute(name).offset == offset)
    return False
