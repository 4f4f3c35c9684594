"""Arguments that cannot be meant: too many, misspelt, out of range. None is taken without a word."""

from __future__ import annotations

import argparse

import pytest

from vmdbg.commands import catalog
from vmdbg.session.registry import Command, Effect
from vmdbg.session.session import Session

COMMANDS = [
    command
    for command in catalog.commands()
    if not command.function.__module__.startswith("vmdbg.commands.linux.") and command.name not in ("python", "shell")
]
NUMBERS = ("NUMBER", "POINT")
EITHER_SIGN = {"up", "down", "goto", "bt"}


def _takes_all(command: Command) -> bool:
    """Whether any number of words, or the rest of the line, is an argument."""
    return bool(command.rest) or any(action.nargs in ("*", "+") for action in command.parser()._actions)


def _needed(command: Command) -> list[str]:
    """Words for the arguments that must be there."""
    samples = {"ADDRESS": "rsp", "REGISTER": "rax", "EXPRESSION": "8", "ACCESS": "w", "BUTTON": "power"}
    return [
        samples.get(str(action.metavar), "1")
        for action in command.parser()._actions
        if not action.option_strings and action.nargs not in ("?", "*")
    ]


def _refused(session: Session, line: str) -> str:
    answer = session.execute(line)
    assert answer.startswith("error:"), f"{line} -> {answer}"
    return answer


@pytest.mark.parametrize("command", [c for c in COMMANDS if not _takes_all(c)], ids=lambda c: c.name)
def test_words_too_many_are_refused(session: Session, command: Command) -> None:
    places = [action for action in command.parser()._actions if not action.option_strings]
    _refused(session, f"{command.name} {' '.join(['1'] * len(places))} surplus")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_options_that_do_not_exist_are_refused(session: Session, command: Command) -> None:
    if command.rest or command.condition:
        pytest.skip("takes any words")
    _refused(session, f"{command.name} {' '.join(_needed(command))} --no-such-option")


def _numbers() -> list[tuple[Command, argparse.Action]]:
    return [
        (command, action)
        for command in COMMANDS
        for action in command.parser()._actions
        if action.metavar in NUMBERS and action.nargs != "*" and command.name not in EITHER_SIGN
    ]


@pytest.mark.parametrize(("command", "action"), _numbers(), ids=lambda x: getattr(x, "name", getattr(x, "dest", "")))
@pytest.mark.parametrize("number", ["-5", "zzz", "1.5", "99999999999999999999999"])
def test_numbers_that_cannot_be_are_refused(
    session: Session, command: Command, action: argparse.Action, number: str
) -> None:
    words = _needed(command)
    if action.option_strings:
        line = f"{command.name} {action.option_strings[0]}={number} {' '.join(words)}"
    else:
        places = [one.dest for one in command.parser()._actions if not one.option_strings]
        before = words[: places.index(action.dest)]
        line = f"{command.name} {' '.join([*before, number, *words[len(before) + 1 :]])}"
    _refused(session, line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x/10zz rsp", "one letter too many"),
        ("x/4xd rsp", "one letter too many"),
        ("p/xw 1 2", "is no expression"),
        ("watch 0 99999999999", "is no number of bytes"),
        ("watch rsp 0", "is no number of bytes"),
        ("watch rsp -1", "is no number of bytes"),
        ("last-write rsp 99999999999", "is no number of bytes"),
        ("query writes rsp 99999999999", "is no number of bytes"),
        ("query writes rsp 1 2", "takes an address"),
        ("ba w8 rsp 4", "one argument too many"),
        ("ba e1 rip 4", "one argument too many"),
        ("pagewalk rsp --cr3=-0x10000000000000000", "is no value of CR3"),
        ("break --cr3=99999999999999999999999", "is no value of CR3"),
        ("maps --cr3=99999999999999999999999", "is no value of CR3"),
        ("flags cr4 99999999999999999999999", "is no value of cr4"),
        ("io 0x10000", "is no port"),
        ("io -5", "is no port"),
        ("io --unclaimed 0x60", "leave out the port"),
        ("ldt zzz", "there is no register, symbol or variable"),
        ("ldt 0x10000", "is no selector"),
        ("gdt 0x10000", "is no selector"),
        ("deliveries --vector zzz", "is no vector"),
        ("continue 0", "begins at 1"),
        ("continue -5", "begins at 1"),
        ("skip depozit", "did you mean deposit"),
        ("break rip --commands 'regsters rax'", "did you mean registers"),
        ("symbol-file --slide 5", "a file is missing"),
        ("disassemble rip --end rip-4", "is not after"),
        ("goto --port 0 5000", 'for a "text" in quotes'),
        ("goto --within 5s 5000", 'for a "text" in quotes'),
        ("catch cr3 5", "takes no"),
        ("catch mode long", "takes no"),
        ("catch triple-fault now", "takes no"),
        ("uncatch all now", "is nothing that a kernel reports"),
        ("bookmark 5", "is no name for a bookmark"),
    ],
)
def test_each_of_these_is_refused_in_words(session: Session, line: str, words: str) -> None:
    assert words in _refused(session, line)


@pytest.mark.parametrize(
    "line",
    ["break rip if nosuch > 5", 'logpoint rip "{nosuch}"', 'logpoint rip "{rax}" if nosuch', "watch rsp if nosuch"],
)
def test_names_that_mean_nothing_are_told(session: Session, line: str) -> None:
    answer = session.execute(line)
    assert "there is no register, symbol or variable 'nosuch' now" in answer
    assert not answer.startswith("error")


def test_a_condition_given_later_tells_of_them_too(session: Session) -> None:
    session.run("break rip")
    (number,) = session.debugger.points.breakpoints
    assert "variable 'nosuch' now" in session.execute(f"condition {number} nosuch == 1")
    assert "variable" not in session.execute(f"condition {number} rax == 1")
    assert "did you mean registers" in _refused(session, f'commands {number} "regsters"')
    assert not session.execute(f'commands {number} "rax + 1" "p rbx"').startswith("error")


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.effect & ~Effect.RUNS], ids=lambda c: c.name)
def test_no_argument_ends_in_a_defect(session: Session, command: Command) -> None:
    """Whatever stands there, the answer is an answer or an error of the user's."""
    for word in ("(", "'", '"', "[::]", "\\", "%", "{", "\x00", "é" * 300, "0x", "--", "=", ";"):
        answer = session.execute(f"{command.name} {word}")
        assert "a defect of vmdbg" not in answer, f"{command.name} {word!r}: {answer}"
