"""Completion of commands, options, registers, symbols, bookmarks, devices and files."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document as Line

from vmdbg.commands.code.context import SECTIONS
from vmdbg.commands.data.registers import GROUPS
from vmdbg.commands.points.catch import KINDS
from vmdbg.errors import VmdbgError
from vmdbg.repl.themes import THEMES
from vmdbg.session.errors import UnknownCommandError
from vmdbg.session.question_options import NAMES
from vmdbg.session.registry import Command
from vmdbg.session.session import Session
from vmdbg.x86.exceptions import EXCEPTIONS
from vmdbg.x86.msr import BY_NAME as MSRS

MOST_SYMBOLS = 200
_WORD = re.compile(r"[$%@#]?[A-Za-z_.][\w.]*$|[$%@#]$")
_CONDITION = re.compile(r"(?:^|\s)if\s")
_EXPRESSIONS = ("ADDRESS", "EXPRESSION", "ASSIGNMENT", "SYMBOL", "FUNCTION", "TEMPLATE")


class CommandCompleter(Completer):
    """Completes by what the command declares: the metavar of an argument says what it takes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._paths = PathCompleter(expanduser=True)
        self.fixed: dict[str, Callable[[], Iterable[str]]] = {
            "REGISTER": lambda: [*session.registers.names(), *GROUPS, "all"],
            "COMMAND": session.registry.names,
            "LINE": session.registry.names,
            "DEVICE": lambda: session.debugger.machine.pc.devices,
            "PCI-FUNCTION": lambda: [name for _, name, _ in session.debugger.machine.pc.pci.placed()],
            "BOOKMARK": lambda: session.debugger.timeline.bookmarks,
            "POSITION": lambda: ["start", "end", "here", *session.debugger.timeline.bookmarks],
            "POINT": lambda: map(str, [*session.debugger.points.breakpoints, *session.debugger.points.watchpoints]),
            "VECTOR": lambda: [info.mnemonic for info in EXCEPTIONS.values()],
            "KIND": lambda: [*(info.mnemonic for info in EXCEPTIONS.values()), *KINDS],
            "MSR": lambda: MSRS,
            "SECTION": lambda: SECTIONS,
            "QUESTION": lambda: NAMES,
            "PROCESS": self._processes,
            "NAME": lambda: session.aliases,
            "THEME": lambda: THEMES,
        }
        """What an argument can be, by its metavar."""

    def get_completions(self, document: Line, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor.lstrip()
        if not re.search(r"[\s/]", before) or (before.startswith("info ") and before.count(" ") == 1):
            yield from self._commands(before)
            return
        try:
            command, rest = self._session.registry.split(before)
        except UnknownCommandError:
            return
        word = rest.rsplit(None, 1)[-1] if rest and not rest[-1].isspace() else ""
        if word.startswith("--"):
            yield from _matching(word, _options(command))
            return
        argument = None if command.condition and _CONDITION.search(rest) else _argument(command, rest)
        kind = str(argument.metavar or "") if argument is not None else "EXPRESSION" if command.condition else ""
        if argument is not None and argument.choices is not None:
            yield from _matching(word, map(str, argument.choices))
        elif kind == "FILE":
            yield from self._paths.get_completions(Line(word), complete_event)
        elif kind in self.fixed:
            yield from _matching(word, self.fixed[kind]())
        elif kind in _EXPRESSIONS or command.condition or command.letters:
            yield from self._expression(rest)

    def _commands(self, typed: str) -> Iterator[Completion]:
        seen = set()
        for name in self._session.registry.names() + sorted(self._session.aliases):
            if name.startswith(typed) and name not in seen:
                seen.add(name)
                command = self._session.registry.get(name)
                if command is not None and command.why_not(self._session):
                    continue
                yield Completion(name, -len(typed), display_meta=command.summary if command else "alias")

    def _expression(self, rest: str) -> Iterator[Completion]:
        found = _WORD.search(rest)
        if found is None:
            return
        typed = found.group()
        bare = typed.lstrip("$%")
        prefix = typed[: len(typed) - len(bare)]
        names = [name for name in self._session.scope.names() if name.startswith(bare)]
        for name in sorted(set(names)):
            yield Completion(prefix + name, -len(typed), display_meta="register" if prefix else "")
        if not prefix and len(bare) > 1:
            for name in self._session.symbols.matching(bare, MOST_SYMBOLS):
                yield Completion(name, -len(typed), display_meta="symbol")

    def _processes(self) -> list[str]:
        try:
            system = self._session.system.find()
            return [word for task in system.tasks() for word in (str(task.pid), task.name)] if system else []
        except VmdbgError:
            return []


def _argument(command: Command[Session], rest: str) -> argparse.Action | None:
    """The argument that the cursor is in; None if the command takes none there."""
    words = rest.split()
    if rest and not rest[-1].isspace():
        words = words[:-1]
    actions = command.parser()._actions
    if words and words[-1].startswith("-"):
        for action in actions:
            if words[-1] in action.option_strings and action.nargs != 0:
                return action
    given = sum(1 for word in words if not word.startswith("-"))
    positional = [action for action in actions if not action.option_strings]
    return positional[min(given, len(positional) - 1)] if positional else None


def _options(command: Command[Session]) -> list[str]:
    known = [option for action in command.parser()._actions for option in action.option_strings]
    return [option for option in [*known, "--json", "--help"] if option.startswith("--")]


def _matching(typed: str, names: Iterable[str]) -> Iterator[Completion]:
    for name in sorted(set(names)):
        if name.lower().startswith(typed.lower()):
            yield Completion(name, -len(typed))
