"""The arguments of a typed line, as its command declares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

from vmdbg.session.errors import UsageError
from vmdbg.session.registry import Arguments, Command, On, Parser
from vmdbg.session.words import Word, split_condition, split_words, unquoted


class Parsers(Generic[On]):
    """The parsers of one session's commands. To make one costs more than what most lines do, so each is kept."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Command[On], Parser]] = {}

    def of(self, command: Command[On]) -> Parser:
        made = self._made.get(command.name)
        if made is None or made[0] is not command:
            made = self._made[command.name] = command, command.parser()
            made[1].usage = made[1].format_usage().removeprefix("usage: ")  # else formatted at every line
        return made[1]


def parse_arguments(command: Command[On], rest: str, parser: Parser) -> tuple[Arguments | None, bool]:
    """The arguments and whether JSON is asked for; None for a plea for help. `parser` is the command's.

    Raises UsageError.
    """
    letters = ""
    if rest.startswith("/") and command.letters:
        letters, _, rest = rest[1:].partition(" ")
        rest = rest.lstrip()
    condition = ""
    if command.condition:
        rest, condition = split_condition(rest)
    words = split_words(rest)
    flags = [word.text for word in words]
    if "--help" in flags or flags == ["-h"]:
        return None, False
    as_json = "--json" in flags
    words = [word for word in words if word.text != "--json"]
    if command.rest:
        arguments = _parsed(parser, *_options_and_rest(parser, words, rest))
    else:
        arguments = _parsed(parser, [word.text for word in words])
    arguments.letters = letters
    arguments.condition = condition or getattr(arguments, "condition", "")
    return arguments, as_json


def _parsed(parser: Parser, words: list[str], last: str = "") -> Arguments:
    """Of words with their quotes, and of what is one argument whatever it is.

    argparse takes what begins with a dash for an option, also the rest of a line (`-rax`, `-2s`) and what was quoted:
    something else stands for these before it.
    """
    kept: dict[str, str] = {}
    taken = []
    for word in words:
        bare = unquoted(word)
        taken.append(_kept(kept, bare) if bare.startswith("-") and bare != word else bare)
    if last:
        taken.append(_kept(kept, last))
    try:
        arguments = parser.parse_intermixed_args(taken)
    except UsageError as error:
        raise UsageError(_put_back(error.message, kept), error.usage) from None
    for name, value in vars(arguments).items():
        if isinstance(value, str):
            setattr(arguments, name, kept.get(value, value))
        elif isinstance(value, list):
            setattr(arguments, name, [kept.get(one, one) for one in value])
    return arguments


def _kept(kept: dict[str, str], text: str) -> str:
    name = f"\0{len(kept)}"
    kept[name] = text
    return name


def _put_back(message: str, kept: Mapping[str, str]) -> str:
    for name, text in kept.items():
        message = message.replace(repr(name), repr(text)).replace(name, text)
    return message


def _options_and_rest(parser: Parser, words: list[Word], rest: str) -> tuple[list[str], str]:
    """For a command whose last argument is the line's rest: its options, with quotes, and that rest.

    What begins with two dashes is left for argparse to know, or to refuse: an option that was mistyped.
    """
    taken: list[str] = []
    options = parser._option_string_actions
    position = 0
    while position < len(words):
        action = options.get(words[position].text.partition("=")[0])
        if action is None:
            break
        taken.append(words[position].text)
        position += 1
        if action.nargs is None and "=" not in taken[-1] and position < len(words):
            taken.append(words[position].text)
            position += 1
    if position < len(words) and words[position].text == "--":
        position += 1
    elif position < len(words) and words[position].text.startswith("--"):
        return [*taken, words[position].text], ""
    if position == len(words):
        return taken, ""
    return taken, rest[words[position].start : words[-1].start + len(words[-1].text)]
