"""Arguments as commands declare them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.document.document import EMPTY, Document
from vmdbg.session.arguments import Parsers, parse_arguments
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
OTHER: Command[None] = Command("plain", does, Group.LOOK)
CONDITION: Command[None] = Command("cond", does, Group.LOOK, declare, condition=True, letters=True)


PARSERS = Parsers[None]()


def taken(command: Command[None], rest: str) -> tuple[Arguments | None, bool]:
    return parse_arguments(command, rest, PARSERS.of(command))


def parsed(command: Command[None], rest: str) -> Arguments:
    arguments, _ = taken(command, rest)
    assert arguments is not None
    return arguments


def test_expressions_stay_whole_and_quotes_come_off() -> None:
    assert parsed(PLAIN, "mem[rsp + 8] --count 3").where == "mem[rsp + 8]"
    assert parsed(PLAIN, "--count=3 'two words'").where == "two words"


def test_what_is_quoted_is_no_option() -> None:
    assert parsed(PLAIN, "'--fast' --count 2").where == "--fast"
    assert parsed(PLAIN, '"-l"').where == "-l"
    with pytest.raises(UsageError, match="unrecognized arguments: -l"):
        parsed(PLAIN, "a '-l'")
    with pytest.raises(UsageError, match="invalid int value: '-l'"):
        parsed(PLAIN, "a --count '-l'")


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
    arguments, wanted = taken(PLAIN, rest)
    assert arguments is not None
    assert (arguments.where, wanted) == ("a", as_json)


@pytest.mark.parametrize("rest", ["--help", "-h", "a --help"])
def test_a_plea_for_help_is_no_argument(rest: str) -> None:
    assert taken(PLAIN, rest) == (None, False)


def test_a_mistyped_option_is_no_rest() -> None:
    with pytest.raises(UsageError, match="unrecognized arguments: --cuont"):
        parsed(REST, "--cuont 3")


@pytest.mark.parametrize("rest", ["a b", "--count", "--count x", "--unknown", "'open"])
def test_what_does_not_fit_says_what_would(rest: str) -> None:
    with pytest.raises(UsageError) as raised:
        parsed(PLAIN, rest)
    assert raised.value.usage == "" or raised.value.usage.startswith("plain ")


WORDS = (
    "a",
    "b",
    "--count",
    "3",
    "x",
    "--count=4",
    "--fast",
    "'--fast'",
    "-l",
    "--json",
    "--",
    "--help",
    "--cuont",
    '"',
)


def answer(command: Command[None], rest: str, parser: Parser) -> object:
    try:
        arguments, as_json = parse_arguments(command, rest, parser)
    except UsageError as error:
        return str(error), error.usage
    return vars(arguments) if arguments is not None else None, as_json


@given(st.lists(st.tuples(st.sampled_from((PLAIN, REST, CONDITION)), st.lists(st.sampled_from(WORDS), max_size=5))))
def test_a_parser_that_is_kept_answers_as_a_new_one(lines: list[tuple[Command[None], list[str]]]) -> None:
    kept = Parsers[None]()
    for command, words in lines:
        rest = " ".join(words)
        assert answer(command, rest, kept.of(command)) == answer(command, rest, command.parser())


def test_a_command_that_takes_the_place_of_another_has_its_own_parser() -> None:
    kept = Parsers[None]()
    assert kept.of(PLAIN) is kept.of(PLAIN)
    with pytest.raises(UsageError):
        parse_arguments(OTHER, "a", kept.of(OTHER))
