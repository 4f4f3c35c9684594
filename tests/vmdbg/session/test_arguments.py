"""Arguments as commands declare them."""

from __future__ import annotations

import pytest

from vmdbg.document.document import EMPTY, Document
from vmdbg.session.arguments import parse_arguments
from vmdbg.session.errors import UsageError
from vmdbg.session.registry import Arguments, Command, Group, Parser


def does(_: None, arguments: Arguments) -> Document:
    return EMPTY


def declare(parser: Parser) -> None:
    parser.add_argument("where", nargs="?", default="")
    parser.add_argument("--count", type=int, default=1, metavar="NUMBER")
    parser.add_argument("--fast", action="store_true")


PLAIN: Command[None] = Command("plain", does, Group.LOOK, declare)
REST: Command[None] = Command("rest", does, Group.LOOK, declare, rest="where")
CONDITION: Command[None] = Command("cond", does, Group.LOOK, declare, condition=True, letters=True)


def parsed(command: Command[None], rest: str) -> Arguments:
    arguments, _ = parse_arguments(command, rest)
    assert arguments is not None
    return arguments


def test_expressions_stay_whole_and_quotes_come_off() -> None:
    assert parsed(PLAIN, "mem[rsp + 8] --count 3").where == "mem[rsp + 8]"
    assert parsed(PLAIN, "--count=3 'two words'").where == "two words"


def test_what_is_quoted_is_no_option() -> None:
    assert parsed(PLAIN, "'--fast' --count 2").where == "--fast"
    assert parsed(PLAIN, '"-l"').where == "-l"
    with pytest.raises(UsageError, match="unrecognized arguments: -l"):
        parse_arguments(PLAIN, "a '-l'")
    with pytest.raises(UsageError, match="invalid int value: '-l'"):
        parse_arguments(PLAIN, "a --count '-l'")


def test_the_rest_of_a_line_is_as_it_was_typed_behind_the_options() -> None:
    found = parsed(REST, "--count 3 --fast say  'it'  --count 4")
    assert (found.count, found.fast, found.where) == (3, True, "say  'it'  --count 4")
    for rest in ("-5 + 3", "-rax", "-2.5m", "-f --count 3", "rest", "-"):
        assert parsed(REST, rest).where == rest
    assert parsed(REST, "--fast -- --count").where == "--count"


def test_a_condition_and_letters_are_taken_off_first() -> None:
    found = parsed(CONDITION, "/8x rip --fast if rax == 3 --count 2")
    assert (found.letters, found.where, found.condition, found.count, found.fast) == ("8x", "rip", "rax == 3", 2, True)


@pytest.mark.parametrize(("rest", "as_json"), [("--json a", True), ("a --json", True), ("a", False)])
def test_json_may_stand_anywhere(rest: str, as_json: bool) -> None:
    arguments, wanted = parse_arguments(PLAIN, rest)
    assert arguments is not None
    assert (arguments.where, wanted) == ("a", as_json)


@pytest.mark.parametrize("rest", ["--help", "-h", "a --help"])
def test_a_plea_for_help_is_no_argument(rest: str) -> None:
    assert parse_arguments(PLAIN, rest) == (None, False)


def test_a_mistyped_option_is_no_rest() -> None:
    with pytest.raises(UsageError, match="unrecognized arguments: --cuont"):
        parse_arguments(REST, "--cuont 3")


@pytest.mark.parametrize("rest", ["a b", "--count", "--count x", "--unknown", "'open"])
def test_what_does_not_fit_says_what_would(rest: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_arguments(PLAIN, rest)
    assert raised.value.usage == "" or raised.value.usage.startswith("plain ")
