"""Argument parsing whose errors are UserErrors like all others."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar, overload

from vmdbg.errors import UserError

Space = TypeVar("Space")
Command = Callable[[argparse.Namespace], int]


LONGEST_SHOWN = 100
"""Characters of a value that is shown in what is wrong with it."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line. `intermixed`: options may stand between words that there may be any number of."""

    intermixed = False

    @overload
    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: None = None
    ) -> tuple[argparse.Namespace, list[str]]: ...

    @overload
    def parse_known_args(self, args: Iterable[str] | None, namespace: Space) -> tuple[Space, list[str]]: ...

    @overload
    def parse_known_args(self, *, namespace: Space) -> tuple[Space, list[str]]: ...

    def parse_known_args(
        self, args: Iterable[str] | None = None, namespace: object | None = None
    ) -> tuple[object, list[str]]:
        if not self.intermixed:
            return super().parse_known_args(args, namespace)
        self.intermixed = False  # what it calls is this again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.intermixed = True

    def _get_value(self, action: argparse.Action, arg_string: str) -> object:
        """What an option's value means: whoever refuses it need not know whose it was."""
        try:
            return super()._get_value(action, arg_string)
        except UserError as error:
            option = next((name for name in action.option_strings if name.startswith("--")), "")
            words = _shortened(str(error), arg_string)
            raise UserError(words if option in words else f"{option}: {words}") from None
        except argparse.ArgumentError as error:
            raise argparse.ArgumentError(action, _shortened(error.message, arg_string)) from None

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            name = "/".join(action.option_strings) or action.metavar or action.dest
            words = f"{name}: {value!r} is none of {', '.join(map(str, action.choices))}; {self._help_words}"
            raise UserError(_shortened(words, str(value)))

    @property
    def _help_words(self) -> str:
        return f"see `{self.prog} --help`"

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {self._help_words}")


def _shortened(words: str, value: str) -> str:
    """With a long value cut: it was typed, and a line is to be read."""
    if len(value) <= LONGEST_SHOWN:
        return words
    for whole in (value, repr(value)[1:-1]):
        words = words.replace(whole, f"{whole[:LONGEST_SHOWN]}...")
    return words
