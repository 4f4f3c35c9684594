"""What the entries of types say, each by itself. Source: DWARF 5, chapter 5."""

from __future__ import annotations

from elftools.dwarf.die import DIE

from vmdbg.c.types import Kind
from vmdbg.dwarf.attributes import block, constant, tag_of
from vmdbg.dwarf.operations import name_of as operation_name
from vmdbg.dwarf.operations import operations

_TAGS = {
    "DW_TAG_pointer_type": Kind.POINTER, "DW_TAG_reference_type": Kind.POINTER,
    "DW_TAG_rvalue_reference_type": Kind.POINTER, "DW_TAG_array_type": Kind.ARRAY,
    "DW_TAG_structure_type": Kind.STRUCT, "DW_TAG_class_type": Kind.STRUCT, "DW_TAG_interface_type": Kind.STRUCT,
    "DW_TAG_union_type": Kind.UNION, "DW_TAG_enumeration_type": Kind.ENUM, "DW_TAG_typedef": Kind.TYPEDEF,
    "DW_TAG_template_alias": Kind.TYPEDEF, "DW_TAG_const_type": Kind.CONST, "DW_TAG_volatile_type": Kind.VOLATILE,
    "DW_TAG_restrict_type": Kind.RESTRICT, "DW_TAG_atomic_type": Kind.TYPE_TAG, "DW_TAG_immutable_type": Kind.TYPE_TAG,
    "DW_TAG_packed_type": Kind.TYPE_TAG, "DW_TAG_shared_type": Kind.TYPE_TAG,
    "DW_TAG_subroutine_type": Kind.PROTOTYPE, "DW_TAG_subprogram": Kind.PROTOTYPE, "DW_TAG_base_type": Kind.INT,
    "DW_TAG_ptr_to_member_type": Kind.INT, "DW_TAG_subrange_type": Kind.TYPEDEF,
}  # fmt: skip
_WORDS = {Kind.STRUCT: "struct ", Kind.UNION: "union ", Kind.ENUM: "enum "}


def kind_of(die: DIE) -> Kind:
    """By its tag alone: a base type counts as an integer."""
    return _TAGS.get(tag_of(die), Kind.VOID)


def word_of(die: DIE) -> str:
    """What C puts before the name."""
    return _WORDS.get(kind_of(die), "")


def elements(bound: DIE) -> int | None:
    """Of a subrange that says so in numbers."""
    if bound.tag == "DW_TAG_enumeration_type":
        return sum(1 for one in bound.iter_children() if one.tag == "DW_TAG_enumerator")
    count = constant(bound, "DW_AT_count")
    if count is not None:
        return count
    upper, lower = constant(bound, "DW_AT_upper_bound"), constant(bound, "DW_AT_lower_bound") or 0
    if upper is None:
        return None
    full = (1 << 64) - 1
    return 0 if upper in (full, full >> 32, -1) else max(0, upper - lower + 1)


def member_offset(child: DIE, address_size: int) -> int | None:
    """In bytes: DW_AT_data_member_location is a number, or an expression that adds one."""
    found = child.attributes.get("DW_AT_data_member_location")
    if found is None:
        return 0
    expression = block(found)
    if expression is None:
        return int(found.value) if isinstance(found.value, int) else None
    steps = operations(expression, address_size)
    if len(steps) == 1 and operation_name(steps[0]) == "plus_uconst":
        return int(steps[0].args[0])
    return None
