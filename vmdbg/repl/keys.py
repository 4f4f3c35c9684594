"""Keys of the prompt that are commands. What was being typed stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A command that a key gave, and the line that was being typed."""

    command: str
    typed: str


COMMANDS = {
    ("f1",): "help",
    ("f5",): "continue",
    ("f6",): "context",
    ("f7",): "stepi",
    ("f8",): "nexti",
    ("f9",): "back",
    ("escape", "f5"): "reverse-continue",
    ("escape", "f7"): "reverse-stepi",
    ("escape", "f8"): "reverse-nexti",
    ("escape", "f9"): "forward",
    ("f17",): "reverse-continue",
    ("f19",): "reverse-stepi",
    ("f20",): "reverse-nexti",
}
HELP = "F5 continue, F6 context, F7 stepi, F8 nexti, F9 back; with Alt or Shift backwards"


def key_bindings() -> KeyBindings:
    bindings = KeyBindings()
    for keys, command in COMMANDS.items():
        bindings.add(*keys)(_giver(command))
    return bindings


def _giver(command: str) -> Callable[[KeyPressEvent], None]:
    def give(event: KeyPressEvent) -> None:
        event.app.exit(result=KeyLine(command, event.app.current_buffer.text))

    return give
