"""Commands by name: what a word that was typed means."""

from __future__ import annotations

import pytest

from vmdbg.document.document import EMPTY, Document
from vmdbg.errors import UserError
from vmdbg.session.errors import UnknownCommandError
from vmdbg.session.registry import Arguments, Command, Effect, Group, Registry, first_word

Ledger = list[str]


def does(ledger: Ledger, arguments: Arguments) -> Document:
    """Write it down.

    And more of it.
    """
    ledger.append(str(arguments))
    return EMPTY


@pytest.fixture
def registry() -> Registry[Ledger]:
    made: Registry[Ledger] = Registry()
    made.add(Command("step", does, Group.RUN, aliases=("s",)))
    made.add(Command("stepi", does, Group.RUN, aliases=("si",)))
    made.add(Command("info stack", does, Group.LOOK))
    made.add(Command("info symbols", does, Group.LOOK))
    made.add(Command("write", does, Group.CHANGE, aliases=("poke",), effect=Effect.CHANGES))
    return made


@pytest.mark.parametrize(
    ("line", "name", "rest"),
    [
        ("step 3", "step", "3"),
        ("s", "step", ""),
        ("stepi", "stepi", ""),
        ("step/x 4", "step", "/x 4"),
        ("info stack -1", "info stack", "-1"),
        ("info st", "info stack", ""),
        ("i sy", "info symbols", ""),
        ("wr 5", "write", "5"),
        ("poke 5", "write", "5"),
    ],
)
def test_a_line_names_a_command(registry: Registry[Ledger], line: str, name: str, rest: str) -> None:
    found, after = registry.split(line)
    assert (found.name, after) == (name, rest)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("st", "'st' is ambiguous: step, stepi"),
        ("po", "there is no command 'po'"),
        ("stpe", "did you mean step"),
        ("info", "info what? stack, symbols, or a device"),
        ("info stak", "did you mean stack"),
        ("", "there is no command ''"),
    ],
)
def test_what_names_none_is_told_apart(registry: Registry[Ledger], line: str, says: str) -> None:
    with pytest.raises(UnknownCommandError) as raised:
        registry.split(line)
    assert says in str(raised.value)


def test_a_copy_is_its_own_and_a_later_command_takes_the_name(registry: Registry[Ledger]) -> None:
    copy = registry.copy()
    copy.add(Command("step", does, Group.TIME))
    assert (copy.find("s").group, copy.find("step").group) == (Group.RUN, Group.TIME)
    assert registry.find("step").group is Group.RUN
    assert len(list(copy)) == len(list(registry)) == 5


def test_summary_and_description_are_the_functions_own(registry: Registry[Ledger]) -> None:
    assert registry.find("step").summary == "Write it down."
    assert registry.find("step").description == "And more of it."


def test_what_a_command_requires_is_asked_of_what_it_acts_on() -> None:
    def needs_entries(ledger: Ledger) -> None:
        if not ledger:
            raise UserError("nothing is written yet")

    one: Command[Ledger] = Command("read", does, Group.LOOK, requires=needs_entries)
    assert one.why_not([]) == "nothing is written yet"
    assert one.why_not(["a"]) == Command("any", does, Group.LOOK).why_not([]) == ""


@pytest.mark.parametrize(
    ("line", "parts"),
    [("x/4 rip", ("x", "/4 rip")), ("  a-b c", ("a-b", "c")), ("?word", ("?", "word")), (".file", (".", "file")),
     ("", ("", ""))],
)  # fmt: skip
def test_the_first_word_ends_where_no_name_goes_on(line: str, parts: tuple[str, str]) -> None:
    assert first_word(line) == parts
