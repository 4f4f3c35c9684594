"""The list of command modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg import commands as room
from vmdbg.commands import catalog
from vmdbg.document.document import EMPTY
from vmdbg.session.errors import UsageError
from vmdbg.session.registry import Command, Group

LACKING = "the following arguments are required: "


def test_every_module_that_declares_a_command_is_listed() -> None:
    top = Path(str(room.__file__)).parent
    found = {
        ".".join(path.relative_to(top).with_suffix("").parts)
        for path in top.rglob("*.py")
        if "\n@command(" in path.read_text()
    }
    assert found == set(catalog.MODULES)


def test_what_is_said_to_be_lacking_is_what_a_command_cannot_do_without() -> None:
    for command in catalog.commands():
        parser = command.parser()
        positional = [action for action in parser._actions if not action.option_strings]
        needed = [str(one.metavar or one.dest) for one in positional if one.nargs not in ("?", "*")]
        if needed:
            with pytest.raises(UsageError) as error:
                parser.parse_intermixed_args([])
            assert error.value.message == LACKING + ", ".join(needed), command.name


def test_each_session_has_a_registry_of_its_own() -> None:
    one, other = catalog.commands(), catalog.commands()
    one.add(Command("mine", lambda *_: EMPTY, Group.SESSION))
    assert one.get("mine") is not None
    assert other.get("mine") is None
    assert catalog.commands().get("mine") is None
