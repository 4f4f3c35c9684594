"""JSON as Python has it, and what a dataclass is in JSON."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def as_json(value: object) -> Json:
    """A dataclass with its names as the protocol spells them, without what is None; the same of all inside."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {spelled(name): as_json(member) for name, member in members if member is not None}
    if isinstance(value, enum.Enum):
        return as_json(value.value)
    if isinstance(value, Mapping):
        return {key: as_json(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    assert value is None or isinstance(value, bool | int | float | str)
    return value


def spelled(name: str) -> str:
    """`line_number_` as `lineNumber`."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)
