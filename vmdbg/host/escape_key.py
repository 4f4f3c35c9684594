"""Ctrl-]: what the user says to vmdbg rather than to the guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

ESCAPE_KEY = 0x1D
ESCAPE_NAME = "Ctrl-]"


@dataclass(frozen=True, slots=True)
class KeyCommand:
    """What a key does after the escape key."""

    text: str
    action: Callable[[], None]


class EscapeKey:
    """Parts typed bytes into those for the guest and commands. The escape key twice is the key itself."""

    def __init__(self, commands: Mapping[str, KeyCommand], say: Callable[[str], None]) -> None:
        self._commands = dict(commands)
        self._say = say
        self._escaped = False

    def filter(self, data: bytes) -> bytes:
        """What of `data` is for the guest; commands have been run."""
        return bytes(self._pass(data))

    def _pass(self, data: bytes) -> Iterator[int]:
        for key in data:
            if not self._escaped:
                self._escaped = key == ESCAPE_KEY
                if not self._escaped:
                    yield key
                continue
            self._escaped = False
            if key == ESCAPE_KEY:
                yield key
            else:
                self._command(chr(key).lower())

    def _command(self, key: str) -> None:
        command = self._commands.get(key)
        if command is not None:
            command.action()
        else:
            self._say(self.help())

    def help(self) -> str:
        lines = [f"  {ESCAPE_NAME} {key}       {command.text}" for key, command in self._commands.items()]
        lines.append(f"  {ESCAPE_NAME} h       this help")
        lines.append(f"  {ESCAPE_NAME} {ESCAPE_NAME}  send {ESCAPE_NAME} to the guest")
        return "\n".join(["keys:", *lines])
