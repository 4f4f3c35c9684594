"""The registry: commands by name, how each is declared, and the search for what was meant."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Generic, NoReturn, TypeVar

from vmdbg.document.document import Document
from vmdbg.errors import VmdbgError
from vmdbg.session.errors import UnknownCommandError, UsageError

On = TypeVar("On")
"""What commands act on: a session."""
Arguments = argparse.Namespace


class Group(Enum):
    """Where `help` lists a command."""

    RUN = "running"
    POINTS = "breakpoints, watchpoints, catches"
    TIME = "time"
    LOOK = "looking at registers, memory and code"
    CHANGE = "changing registers and memory"
    CPU = "the CPU and its tables"
    DEVICES = "devices"
    SYSTEM = "the guest's operating system"
    SESSION = "this session"


class Effect(Flag):
    """What a command does besides looking: FILES writes a new file, HOST reaches any file or program."""

    NONE = 0
    RUNS = auto()
    CHANGES = auto()
    FILES = auto()
    HOST = auto()


class Parser(argparse.ArgumentParser):
    """argparse that raises UsageError where it would leave the program."""

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().removeprefix("usage:").split())
        raise UsageError(message, usage)


Declaration = Callable[[Parser], object]


def nothing(parser: Parser) -> None:
    """A command without arguments."""


@dataclass(frozen=True, slots=True)
class Command(Generic[On]):
    """One command.

    `rest` names the argument that takes the line's rest as it was typed; `condition` that a text after `if` is
    taken for `condition`; `letters` that `/` and format letters may follow the name. Metavars of arguments
    (ADDRESS, EXPRESSION, REGISTER, FILE ...) decide how they are completed. The first line of the function's
    docstring is the summary. `requires` raises VmdbgError, saying why, where there is nothing for it to act on.
    """

    name: str
    function: Callable[[On, Arguments], Document]
    group: Group
    declare: Declaration = nothing
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    rest: str = ""
    condition: bool = False
    letters: bool = False
    effect: Effect = Effect.NONE
    repeats: bool = False
    requires: Callable[[On], object] | None = None

    def why_not(self, on: On) -> str:
        """Why what it requires is not there now; "" if it is."""
        try:
            if self.requires is not None:
                self.requires(on)
        except VmdbgError as error:
            return str(error)
        return ""

    @property
    def summary(self) -> str:
        lines = (self.function.__doc__ or "").strip().splitlines()
        return lines[0] if lines else ""

    @property
    def description(self) -> str:
        return "\n".join(line.strip() for line in (self.function.__doc__ or "").strip().splitlines()[1:]).strip()

    def parser(self) -> Parser:
        made = Parser(prog=self.name, add_help=False, allow_abbrev=True, conflict_handler="resolve")
        self.declare(made)
        return made


@dataclass(slots=True)
class Registry(Generic[On]):
    """Commands by name and alias. Names may have two words, as in `info registers`."""

    commands: dict[str, Command[On]] = field(default_factory=dict)
    _names: dict[str, Command[On]] = field(default_factory=dict)

    def add(self, command: Command[On]) -> None:
        """A later command of the same name takes the place of the earlier."""
        self.commands[command.name] = command
        for name in (command.name, *command.aliases):
            self._names[name] = command

    def copy(self, modules: Sequence[str] = ()) -> Registry[On]:
        """With the commands of these modules first, in their order: which was imported first is nobody's concern."""
        place = {module: number for number, module in enumerate(modules)}
        ordered = sorted(self.commands.items(), key=lambda one: place.get(one[1].function.__module__, len(place)))
        return Registry(dict(ordered), dict(self._names))

    def __iter__(self) -> Iterator[Command[On]]:
        return iter(self.commands.values())

    def names(self) -> list[str]:
        return sorted(self._names)

    def get(self, name: str) -> Command[On] | None:
        return self._names.get(name)

    def find(self, name: str) -> Command[On]:
        """By name, alias or a beginning that fits one command only. Raises UnknownCommandError.

        A command that changes the guest is not found by the beginning of an alias.
        """
        found = self._names.get(name)
        if found is not None:
            return found
        meant = self.begins(name)
        if len(meant) == 1:
            return next(iter(meant.values()))
        if meant:
            raise UnknownCommandError(f"{name!r} is ambiguous: {', '.join(sorted(meant))}")
        raise UnknownCommandError(f"there is no command {name!r}{did_you_mean(name, self._names)}; try: help")

    def begins(self, name: str) -> dict[str, Command[On]]:
        """The commands whose name begins so; if there is none, those with such an alias."""
        if not name:
            return {}
        named = {one.name: one for one in self.commands.values() if _begins(one.name, name)}
        return named or {
            one.name: one
            for alias, one in self._names.items()
            if _begins(alias, name) and not one.effect & Effect.CHANGES
        }

    def split(self, line: str) -> tuple[Command[On], str]:
        """The command that a line names, and what follows. Raises UnknownCommandError."""
        first, rest = first_word(line)
        second, after = first_word(rest)
        if second and first not in self._names:
            two = [n for n in self._names if " " in n and _begins(n, f"{first} {second}")]
            if two:
                exact = f"{first} {second}"
                return self._names[exact if exact in self._names else min(two)], after
        elif second and f"{first} {second}" in self._names:
            return self._names[f"{first} {second}"], after
        if first == "info" and self.get(first) is None:
            raise UnknownCommandError(self._info(second))
        if self.get(first) is None and (known := self._after(first)):
            raise UnknownCommandError(f"{first} what? {', '.join(known)}")
        return self.find(first), rest

    def _after(self, first: str) -> list[str]:
        """The second words of names of two that begin so."""
        return sorted(name.removeprefix(f"{first} ") for name in self._names if name.startswith(f"{first} "))

    def _info(self, what: str) -> str:
        known = sorted(name.removeprefix("info ") for name in self._names if name.startswith("info "))
        if not what:
            return f"info what? {', '.join(known)}, or a device"
        close = did_you_mean(what, known) or f": there are {', '.join(known)}, and the names of devices"
        return f"there is no command 'info {what}'{close}"


def _begins(name: str, typed: str) -> bool:
    """Whether each word typed begins the word of the name."""
    words, parts = name.split(), typed.split()
    return len(words) == len(parts) and all(w.startswith(p) for w, p in zip(words, parts, strict=True))


def first_word(line: str) -> tuple[str, str]:
    """The command's name, which ends at a blank or at the `/` of format letters."""
    line = line.lstrip()
    end = 0
    while end < len(line) and (line[end].isalnum() or line[end] in "-_"):
        end += 1
    if end == 0 and line:
        end = 1
    return line[:end], line[end:].lstrip()


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean ...?` or nothing."""
    single = [known for known in names if " " in name or " " not in known]
    close = difflib.get_close_matches(name, single, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""
