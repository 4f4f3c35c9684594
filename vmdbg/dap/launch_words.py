"""What a client asks to have booted, as words of the command line.

`{"kernel": "vmlinuz", "memory": "1G", "disk": ["a.img", "b.img"], "noReboot": true}` is
`--kernel=vmlinuz --memory=1G --disk=a.img --disk=b.img --no-reboot`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dapstub.json_values import Json
from vmdbg.dap.settings import NAMES
from vmdbg.errors import UserError

RECORDING = "recording"
_EDITORS = frozenset((
    "name", "type", "request", "noDebug", "preLaunchTask", "postDebugTask", "internalConsoleOptions", "debugServer",
    "presentation", "serverReadyAction", "suppressMultipleSessionWarning", "cwd", "console", "restart", "adapter",
))  # fmt: skip
"""Of launch configurations in general."""
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,40}")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words_of(arguments: Mapping[str, Json]) -> Sequence[str]:
    """Raises UserError for what is no option."""
    words: list[str] = []
    for name, value in arguments.items():
        if name in _EDITORS or name in NAMES or name.startswith("__") or value is None or value is False:
            continue
        if name in (RECORDING, "program", "args"):
            words += _plain(name, value)
        else:
            words += _option(name, value)
    return words


def member_of(arguments: Mapping[str, Json], word: str) -> str:
    """Which member of the request a word comes from, as the client spells it; else the word."""
    option = word.partition("=")[0]
    return next((name for name in arguments if _NAME.fullmatch(name) and _spelled(name) == option), word)


def _spelled(name: str) -> str:
    return f"--{_CAPITAL.sub('-', name).lower()}"


def _plain(name: str, value: Json) -> Sequence[str]:
    """Words without an option's name: `args` are taken as they are."""
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not all(isinstance(one, str) for one in listed):
        raise UserError(f"{name} has something that is no string")
    return [str(one) for one in listed]


def _option(name: str, value: Json) -> Sequence[str]:
    if not _NAME.fullmatch(name):
        raise UserError(f"{name[:60]!r} is no option of vmdbg")
    option = _spelled(name)
    if value is True:
        return [option]
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not all(isinstance(one, str | int | float) for one in listed):
        raise UserError(f"{name} is a string, a number, true or a list of those")
    return [f"{option}={one}" for one in listed]
