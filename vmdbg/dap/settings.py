"""What a client says with launch and attach that is for the front end, not for the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dapstub.errors import TargetError
from dapstub.json_values import Json

NAMES = ("stopOnEntry", "sourceMap", "symbols", "commands", "tasks")


@dataclass(frozen=True, slots=True)
class Settings:
    """`source_map`: beginnings of paths in debug information, and the client's. `symbols`: files to read.

    `commands` are carried out before anything else, as at the prompt. `stop_on_entry` None: as the guest is found.
    `tasks`: those that are on no CPU are threads too.
    """

    stop_on_entry: bool | None = None
    source_map: Mapping[str, str] = field(default_factory=dict)
    symbols: Sequence[str] = ()
    commands: Sequence[str] = ()
    tasks: bool = False


def settings_of(arguments: Mapping[str, Json]) -> Settings:
    """Raises TargetError for what has another type."""
    entry, mapping = arguments.get("stopOnEntry"), arguments.get("sourceMap")
    if not isinstance(entry, bool | None):
        raise TargetError("stopOnEntry is true or false")
    tasks = arguments.get("tasks") or False
    if not isinstance(tasks, bool):
        raise TargetError("tasks is true or false")
    if not isinstance(mapping, Mapping | None):
        raise TargetError("sourceMap has beginnings of paths, and what stands in their place here")
    pairs = {str(known): _text("sourceMap", theirs) for known, theirs in (mapping or {}).items()}
    return Settings(entry, pairs, _texts(arguments, "symbols"), _texts(arguments, "commands"), tasks)


def _texts(arguments: Mapping[str, Json], name: str) -> Sequence[str]:
    found = arguments.get(name)
    if found is None:
        return ()
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, Sequence):
        raise TargetError(f"{name} is a list of strings")
    return tuple(_text(name, one) for one in listed)


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str):
        raise TargetError(f"{name} has something that is no string")
    return value
