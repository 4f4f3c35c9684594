"""JSON as Python has it, and what a dataclass is in JSON."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def as_json(value: object) -> Json:
    """A dataclass with its names as the protocol spells them, without what is None; the same of all inside.

    Raises TypeError.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, enum.Enum):
        return as_json(value.value)
    if isinstance(value, Mapping):
        return {key: as_json(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    made: dict[str, Json] = {}
    for name, word in _members(type(value)):
        member = getattr(value, name)
        if member is not None:
            made[word] = as_json(member)
    return made


_KNOWN: dict[type, tuple[tuple[str, str], ...]] = {}


def _members(kind: type) -> tuple[tuple[str, str], ...]:
    """Of a dataclass: the names of its members, as Python and as the protocol has them. Raises TypeError."""
    if kind not in _KNOWN:
        if not dataclasses.is_dataclass(kind):
            raise TypeError(f"{kind.__name__} is nothing that JSON has")
        _KNOWN[kind] = tuple((field.name, spelled(field.name)) for field in dataclasses.fields(kind))
    return _KNOWN[kind]


def spelled(name: str) -> str:
    """`line_number_` as `lineNumber`."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)
