"""What is refused on a command line: in one line, which says of which option, and what there is."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator

import pytest

from vmdbg.cli import main as main_module
from vmdbg.cli.arguments import Parser
from vmdbg.errors import UserError

DIGITS = "9" * 5000
JUNK = ("", ",", "=", "x", "\\q", "-1", "9" * 25, "nowhere/x", "1,=", "unix:", "tcp:", "\N{BULLET}", "a\nb", ":", "+",
        DIGITS, f"{DIGITS}M", f"1.{DIGITS}k", f"1:{DIGITS}", f"0x{DIGITS}")  # fmt: skip


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


def options() -> Iterator[tuple[str, str]]:
    """All that take a value, of every command."""
    for command in main_module.COMMANDS:
        (commands,) = (one for one in main_module.parser((command,))._actions if isinstance(one.choices, dict))
        assert commands.choices is not None
        for action in commands.choices[command]._actions:
            names = [name for name in action.option_strings if name.startswith("--")]
            if names and action.nargs != 0:
                yield command, names[-1]


@pytest.mark.parametrize(("command", "option"), list(options()))
def test_a_value_that_is_refused_is_said_to_be_the_options(command: str, option: str) -> None:
    parser = main_module.parser((command,))
    for junk in JUNK:
        try:
            parser.parse_args([command, f"{option}={junk}"])
        except UserError as error:
            words = str(error)
            if "are required" in words:
                continue
            assert option in words
            assert not re.search(r"invalid (?!int|float)\w+ value", words), "what is raised says what is wrong"
            assert len(words) < 1000
            assert "<" not in words.partition(option)[2].partition("(")[0], "an object's name is none of a value"


def test_what_can_be_chosen_is_listed_as_it_is_written() -> None:
    parser = Parser(prog="it")
    parser.add_argument("--colour", "-c", choices=["none", *Colour])
    assert parser.parse_args(["-c", "green"]).colour == Colour.GREEN
    with pytest.raises(UserError, match=r"^--colour/-c: 'blue' is none of none, red, green; see `it --help`$"):
        parser.parse_args(["-c", "blue"])


def test_words_that_name_their_option_are_left_as_they_are() -> None:
    def refuse(text: str) -> str:
        raise UserError(text)

    parser = Parser(prog="it")
    parser.add_argument("--size", type=refuse)
    for said, told in (("--size is no more", "--size is no more"), ("too large", "--size: too large")):
        with pytest.raises(UserError, match=f"^{told}$"):
            parser.parse_args([f"--size={said}"])
