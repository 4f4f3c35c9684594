"""Attributes of entries, through the entries that they complete or are copies of. Source: DWARF 5, 2.13.2 and 3.3.8."""

from __future__ import annotations

from collections.abc import Iterator

from elftools.dwarf.die import DIE, AttributeValue

MAX_ORIGINS = 8
MAX_NAME = 512
_CONSTANT_FORMS = frozenset({
    "DW_FORM_data1", "DW_FORM_data2", "DW_FORM_data4", "DW_FORM_data8", "DW_FORM_data16", "DW_FORM_sdata",
    "DW_FORM_udata", "DW_FORM_implicit_const",
})  # fmt: skip
_BLOCK_FORMS = ("DW_FORM_exprloc", "DW_FORM_block")


def with_origins(die: DIE) -> Iterator[DIE]:
    """The entry, then the abstract or declaring ones behind it. Raises what DAMAGE lists."""
    for _ in range(MAX_ORIGINS):
        yield die
        for name in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if name in die.attributes:
                die = die.get_DIE_from_attribute(name)
                break
        else:
            return


def attribute(die: DIE, name: str) -> AttributeValue | None:
    for one in with_origins(die):
        found: AttributeValue | None = one.attributes.get(name)
        if found is not None:
            return found
    return None


def tag_of(die: DIE) -> str:
    """DW_TAG_ and a name; a number for a tag that is not known."""
    return str(die.tag)


def name_of(die: DIE) -> str:
    """The name in the source, "" for what has none."""
    found = attribute(die, "DW_AT_name")
    return text(found.value) if found is not None else ""


def text(value: bytes | str) -> str:
    raw = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return raw[:MAX_NAME]


def constant(die: DIE, name: str) -> int | None:
    """An attribute that is a number; None for one that is not there, or is of another class."""
    found = die.attributes.get(name)
    if found is None or found.form not in _CONSTANT_FORMS or not isinstance(found.value, int):
        return None
    return int(found.value)


def block(found: AttributeValue | None) -> bytes | None:
    """An attribute that is an expression or bytes."""
    if found is None or not found.form.startswith(_BLOCK_FORMS):
        return None
    return bytes(found.value)


def referred(die: DIE, name: str) -> DIE | None:
    """The entry that an attribute refers to, also of an origin; None without one."""
    for one in with_origins(die):
        if name in one.attributes:
            return one.get_DIE_from_attribute(name)
    return None


def key(die: DIE) -> tuple[int, int]:
    """What tells an entry from all others of a file: type units are in a section of their own."""
    return id(die.stream), die.offset
