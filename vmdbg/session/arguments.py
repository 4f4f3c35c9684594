"""The arguments of a typed line, as its command declares them."""

from __future__ import annotations

from vmdbg.session.registry import Arguments, Command, On, Parser
from vmdbg.session.words import Word, split_condition, split_words, unquoted


def parse_arguments(command: Command[On], rest: str) -> tuple[Arguments | None, bool]:
    """The arguments and whether JSON is asked for; None for a plea for help. Raises UsageError."""
    letters = ""
    if rest.startswith("/") and command.letters:
        letters, _, rest = rest[1:].partition(" ")
        rest = rest.lstrip()
    condition = ""
    if command.condition:
        rest, condition = split_condition(rest)
    parser = command.parser()
    words = split_words(rest)
    flags = [word.text for word in words]
    if "--help" in flags or flags == ["-h"]:
        return None, False
    as_json = "--json" in flags
    words = [word for word in words if word.text != "--json"]
    arguments = parser.parse_intermixed_args(_for_argparse(command, parser, words, rest))
    arguments.letters, arguments.condition = letters, condition
    return arguments, as_json


def _for_argparse(command: Command[On], parser: Parser, words: list[Word], rest: str) -> list[str]:
    """Words, or for a command whose last argument is the line's rest, its options and then that rest as one."""
    if not command.rest:
        return [unquoted(word.text) for word in words]
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
            taken.append(unquoted(words[position].text))
            position += 1
    if position < len(words):
        end = words[-1].start + len(words[-1].text)
        taken += ["--", rest[words[position].start : end]]
    return taken
