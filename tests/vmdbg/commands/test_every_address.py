"""What every command that wants an address makes of what is none, and of values with types."""

from __future__ import annotations

import argparse

import pytest

from vmdbg.commands import catalog
from vmdbg.session.session import Session

OBJECTS = {"watch", "rwatch", "awatch", "last-write"}
"""They are about the object that an expression names."""
QUESTIONS = ("writes", "reads", "accesses", "executions", "calls")
FIRST = {"dump memory": "never-written", "ba": "w4", "edit": "", "search": "1", "query": ""}
"""What stands before the address."""
AFTER = {"dump memory": "rip", "edit": "1", "fill": "4", "logpoint": '"x"'}
PHYSICAL = {"phys", "who-maps"}


def _address(action: argparse.Action) -> bool:
    return action.metavar == "ADDRESS" and not action.option_strings


def _lines() -> list[tuple[str, str]]:
    """Each command and its line with {} for the address."""
    found = []
    for command in catalog.commands():
        if command.function.__module__.startswith("vmdbg.commands.linux."):
            continue  # they have no answer but that there is no Linux
        if command.name in PHYSICAL or any(_address(action) for action in command.parser()._actions):
            if command.name == "query":
                found += [(f"query {question}", f"query {question} {{}}") for question in QUESTIONS]
            else:
                parts = (command.name, FIRST.get(command.name, ""), "{}", AFTER.get(command.name, ""))
                found.append((command.name, " ".join(part for part in parts if part)))
    return found


def _quoted(command: str, address: str) -> str:
    rest = next((c.rest for c in catalog.commands() if c.name == command), "")
    return address if rest else f'"{address}"'


LINES = _lines()


def test_the_list_has_them_all() -> None:
    names = {name for name, _ in LINES}
    assert {"x", "hexdump", "telescope", "break", "watch", "ba", "disassemble", "pagewalk", "translate"} <= names
    assert {"maps", "until", "search", "edit", "fill", "last-write", "query writes", "phys", "who-maps"} <= names


@pytest.mark.parametrize(("name", "line"), LINES, ids=lambda words: words)
@pytest.mark.parametrize("address", ["0xfffffffffffffffffff", "0-0xfffffffffffffffff", "rip == rip", "1.5", "nothing"])
def test_no_command_takes_what_no_address_can_be(session: Session, name: str, line: str, address: str) -> None:
    answer = session.execute(line.format(_quoted(name, address)))
    assert answer.startswith("error:"), answer
    assert any(words in answer for words in ("is no address", "is no integer", "there is no register, symbol"))


@pytest.mark.parametrize(("name", "line"), LINES, ids=lambda words: words)
def test_a_number_with_a_type_is_the_place_where_it_lies_or_refused(session: Session, name: str, line: str) -> None:
    answer = session.execute(line.format(_quoted(name, "*(short *)rsp" if name != "until" else "(*(short *)rsp)")))
    word = name.split()[-1]
    if word in OBJECTS | {"ba", "writes", "reads", "accesses"}:
        assert not answer.startswith("error:")
    elif word in {"break", "tbreak", "list", "logpoint", "until", "disassemble", "executions", "calls"}:
        pass  # gdb's star: the address is what follows it
    else:
        assert "is a number of 2 bytes and no address" in answer


@pytest.mark.parametrize("name", sorted(OBJECTS - {"last-write"}))
def test_a_watchpoint_is_on_the_object_and_as_large(session: Session, name: str) -> None:
    session.run(f'{name} "*(short *)rsp"')
    (point,) = session.debugger.points.watchpoints.values()
    assert (point.address, point.size) == (session.integer("rsp"), 2)


@pytest.mark.parametrize(("name", "line"), [(n, x) for n, x in LINES if n in PHYSICAL], ids=lambda words: words)
def test_a_linear_address_is_no_physical_one(session: Session, name: str, line: str) -> None:
    assert "a physical one is wanted" in session.execute(line.format(_quoted(name, "(char *)rsp")))
    assert "a physical one is wanted" in session.execute(line.format(_quoted(name, "cs:rip")))
    assert "fit in 52 bits" in session.execute(line.format(_quoted(name, "0x10000000000000")))
    assert not session.execute(line.format(_quoted(name, "phys:0x1000"))).startswith("error")
