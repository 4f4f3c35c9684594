"""What holds for all commands: help, examples that run, data, and a guest that does not notice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vmdbg.commands import catalog
from vmdbg.commands.catalog import MODULES
from vmdbg.errors import VmdbgError
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Command, Effect, Group
from vmdbg.session.session import Session

COMMANDS = list(catalog.commands())
WITHOUT_EXAMPLES = {"ignore", "condition", "commands", "forward", "list", "source"}
"""They need a breakpoint, a stop or a file to be there first; the tests of their names have it."""
OF_A_SYSTEM = {c.name for c in COMMANDS if c.group is Group.SYSTEM}
OF_A_DISK = {c.name for c in COMMANDS if c.function.__module__.startswith("vmdbg.commands.devices.dis")}
"""They need one; their own tests have the examples."""
OF_ANOTHER_MACHINE = {"pci", "reschedule", "write-schedule", "share", "share changes", "share export", "interleaving"}
"""Their examples are of functions, CPUs or shares that the sample's machine has not; their own tests have them."""
ELSEWHERE = OF_A_SYSTEM | OF_A_DISK | OF_ANOTHER_MACHINE
EXAMPLES = [(c, example) for c in COMMANDS for example in c.examples if c.name not in ELSEWHERE]
LOOKING = [(c, e) for c, e in EXAMPLES if not c.effect]
TESTS = Path(__file__).parent


def _tests_of(module: str) -> Path:
    *rooms, name = module.removeprefix("vmdbg.commands.").split(".")
    return TESTS.joinpath(*rooms, f"test_{name}.py")


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For commands that write files."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_a_file_of_tests_has_its_name(command: Command) -> None:
    """The name of its module; the commands of a guest system are run there from the registry."""
    tests = _tests_of(command.function.__module__).read_text()
    names = "|".join(re.escape(name) for name in (command.name, *command.aliases))
    assert command.group is Group.SYSTEM or re.search(rf"[\"'`]({names})\b", tests)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_help_has_summary_and_example(session: Session, command: Command) -> None:
    shown = session.execute(f"help {command.name}")
    assert command.summary in shown
    assert command.examples or command.name in WITHOUT_EXAMPLES
    assert all(f"example: {example}" in shown for example in command.examples)
    assert not shown.startswith("error")


@pytest.mark.parametrize(("command", "example"), EXAMPLES, ids=lambda x: x if isinstance(x, str) else "")
def test_example_runs(session: Session, command: Command, example: str) -> None:
    if command.name == "fork":
        pytest.skip("would end the history that the tests share")
    if command.name == "back":
        session.run("reverse-stepi")
        session.run("reverse-stepi")
    if command.effect == Effect.CHANGES and not example.startswith("undo"):
        assert re.search("fork|start it with", session.execute(example))
        return
    session.run(example)


@pytest.mark.parametrize(("command", "example"), LOOKING, ids=lambda x: x if isinstance(x, str) else "")
def test_json_parses(session: Session, command: Command, example: str) -> None:
    json.loads(session.execute(example if "--json" in example else _with_json(command, example)))


def _with_json(command: Command, example: str) -> str:
    if not command.rest and not command.condition:
        return f"{example} --json"
    name, _, rest = example.partition(" ")
    return f"{name} --json {rest}"


def test_looking_changes_nothing(session: Session) -> None:
    before = digest(session.debugger.machine)
    for _, example in LOOKING:
        session.run(example)
    assert digest(session.debugger.machine) == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_nonsense_is_an_error_and_nothing_else(session: Session, command: Command) -> None:
    before = session.debugger.position
    for nonsense in ("]]", "--nonsense", "'", "\x00\xff", "1/0", "if", "-1 -1 -1 -1", "a" * 5000, "(" * 300):
        answer = session.execute(f"{command.name} {nonsense}")
        assert "Traceback" not in answer
        assert "defect of vmdbg" not in answer, nonsense
    assert session.debugger.position.tick <= before.tick or command.effect & Effect.RUNS


def test_effects_that_are_not_allowed_are_refused(session: Session) -> None:
    guarded = Session(session.debugger, catalog.commands(), allowed=Effect.NONE, owner="guarded")
    try:
        for command in COMMANDS:
            if command.effect:
                assert "cannot be used here" in guarded.execute(command.name)
    finally:
        guarded.close()


def test_errors_are_text_not_exceptions(session: Session) -> None:
    assert session.execute("nonsense").startswith("error: there is no command 'nonsense'")
    assert "did you mean registers" in session.execute("regsters")
    assert session.execute("x" * 100_000).startswith("error: a line of 100000 characters")
    assert session.execute("") == session.execute("# a comment") == ""


def test_an_answer_has_no_tabs_and_no_blanks_at_line_ends(session: Session) -> None:
    for _, example in LOOKING:
        answer = session.execute(example)
        assert "\t" not in answer
        assert all(line == line.rstrip() for line in answer.splitlines())


def test_running_and_changing_need_a_standing_guest(live: Session) -> None:
    from vmdbg.debugger.actions import Continue

    live.debugger.resume(Continue())
    for line in ("stepi", "continue", "set rax = 1", "goto start"):
        with pytest.raises(VmdbgError, match="running"):
            live.run(line)
    live.debugger.interrupt()
    live.debugger.wait()


def test_the_catalog_names_modules_that_exist() -> None:
    assert len(MODULES) == len(set(MODULES))
