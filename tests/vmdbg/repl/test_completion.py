"""What is offered at a Tab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document as Line

from tests.vmdbg.conftest import open_session
from tests.vmdbg.gdb.guests import sample_guest
from tests.vmdbg.session.other_system import OtherDetector, use
from vmdbg.repl.completion import CommandCompleter
from vmdbg.session.session import Session


@pytest.fixture
def live() -> Iterator[Session]:
    with sample_guest() as guest:
        yield open_session(guest.debugger)


def offered(session: Session, typed: str) -> list[str]:
    return [one.text for one in CommandCompleter(session).get_completions(Line(typed), CompleteEvent())]


def test_commands_of_a_system_come_with_it(live: Session) -> None:
    assert "ps" not in offered(live, "p")
    assert "print" in offered(live, "p")
    assert "dmesg" not in offered(live, "d")
    use(live.system, OtherDetector())
    live.run("when")
    assert "ps" in offered(live, "p")
    assert "dmesg" not in offered(live, "d"), "Linux's alone"
    assert offered(live, "until-user ") == ["1", "7", "init", "shell-of-fiftee"]


def test_what_an_argument_can_be_is_offered(live: Session) -> None:
    """Of every command, those too that take a condition or format letters besides."""
    completer = CommandCompleter(live)
    for command in live.registry:
        first = next((action for action in command.parser()._actions if not action.option_strings), None)
        if first is None:
            continue
        known = first.choices if first.choices is not None else completer.fixed.get(str(first.metavar), list)()
        assert set(map(str, known)) <= set(offered(live, f"{command.name} ")), command.name


def test_kinds_questions_sections_and_conditions(live: Session) -> None:
    assert offered(live, "query w") == ["wakeups", "who-wrote", "writes"]
    assert offered(live, "catch #p") == ["#PF"]
    assert {"syscall", "oops", "disk", "ipi"} <= set(offered(live, "catch "))
    assert offered(live, "context co") == ["code"]
    assert offered(live, "stepi --mode a") == ["architectural"]
    assert "mailbox_create" in offered(live, "query calls mailb")
    assert "mailbox_create" in offered(live, "query writes rsp 8 if mailb")
    assert "mailbox_create" in offered(live, "catch #PF if mailb")
    assert "#PF" not in offered(live, "input acpi-pm ")


def test_names_options_and_devices(live: Session) -> None:
    assert "mailbox_create" in offered(live, "break mailb")
    assert "--ring" in offered(live, "break --ri")
    assert "pic" in offered(live, "devices pi")
    assert offered(live, "nothing-of-that-name ") == []
