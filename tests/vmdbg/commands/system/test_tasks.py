"""ps, current, and what is said of commands that a system must be known for."""

from __future__ import annotations

import json

import pytest

from vmdbg.commands import catalog
from vmdbg.errors import UserError
from vmdbg.session.registry import Command
from vmdbg.session.session import Session

REQUIRING = [command for command in catalog.commands() if command.requires is not None]


@pytest.mark.timeout(300)
def test_ps_marks_who_runs_and_finds_by_name(linux: Session) -> None:
    shown = json.loads(linux.execute("current --json"))
    marked = [row["pid"] for row in json.loads(linux.execute("ps --json")) if row[""]]
    assert marked == ([shown["pid"]] if shown["pid"] else []), "the idle task is in no list"
    some = json.loads(linux.execute("ps kthreadd --json"))
    assert [row["pid"] for row in some] == [2]
    assert linux.system.named("kthreadd") == linux.system.named("2")
    with pytest.raises(UserError, match="no task 'nobody'; ps lists them"):
        linux.system.named("nobody")


@pytest.mark.timeout(300)
def test_a_known_system_brings_its_commands(linux: Session) -> None:
    shown = linux.execute("help")
    assert "the guest's operating system" in shown
    assert "not here now" not in shown
    assert all(f"  {command.name} " in shown for command in REQUIRING)


@pytest.mark.parametrize("command", REQUIRING, ids=lambda command: command.name)
def test_without_a_system_they_say_why_not(session: Session, command: Command[Session]) -> None:
    why = "no operating system that vmdbg knows (64-bit Linux) is found in this guest"
    assert session.execute(command.examples[0]) == f"error: {why}\n"
    assert f"not here: {why}" in session.execute(f"help {command.name}")


def test_without_a_system_help_names_them_in_one_line(session: Session) -> None:
    shown = session.execute("help")
    (line,) = (line for line in shown.splitlines() if line.startswith("not here now"))
    assert set(line.partition(": ")[2].split(", ")) == {command.name for command in REQUIRING}
    assert "  ps " not in shown
