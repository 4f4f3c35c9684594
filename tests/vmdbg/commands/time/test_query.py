"""query."""

from __future__ import annotations

import json

import pytest

from vmdbg.commands import catalog
from vmdbg.commands.time.asking import OF_LINUX, QUESTIONS
from vmdbg.session.question_options import DIFFERENCE, NAMES, RACES
from vmdbg.session.session import Session


def rows(session: Session, line: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(session.execute(f"query {line} --json"))
    return found


def test_calls_are_those_that_a_breakpoint_meets(session: Session) -> None:
    here = session.debugger.position
    calls = rows(session, "calls deposit 2")
    assert session.debugger.position == here
    session.run("goto start")
    session.run("break deposit")
    for call in calls:
        session.run("continue")
        assert call["position"] == str(session.debugger.position)
        assert int(call["arguments"][0], 16) == session.registers.read("rdi")
    assert len(calls) > 2


def test_the_last_write_is_one_of_all_writes(session: Session) -> None:
    session.run("goto end")
    writes = rows(session, "writes rsp 8")
    last = json.loads(session.execute("last-write rsp 8 --json"))
    assert last["by"].split()[0] == writes[-1]["pc"]


def test_limits_and_places(session: Session) -> None:
    shown = session.execute("query calls deposit 2 --limit 1")
    assert "<deposit>" in shown
    assert "<teller_main+" in shown
    assert "more; --limit shows more" in shown
    assert rows(session, "reads phys:0x1000 4") == rows(session, "reads --physical 0x1000 4")
    assert {row["vector"] for row in rows(session, "exceptions #PF")} == {"0xe"}
    assert {row["kind"] for row in rows(session, "interrupts")} == {"external"}
    assert rows(session, "console")[0]["text"] == "vmdbg sample kernel"
    assert "it never happened" in session.execute("query ports 0x60")


def test_breakpoints_are_kept_and_stop_nothing(session: Session) -> None:
    session.run("break deposit")
    before = rows(session, "cr3")
    session.run("delete")
    assert rows(session, "cr3") == before
    assert len(before) > 1


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("nothing", "no question; there are"),
        ("call deposit", "did you mean calls"),
        ("calls", "takes a function"),
        ("writes", "takes an address"),
        ("writes rsp 0", "is no number of bytes"),
        ("executions rip 10000000", "at most"),
        ("exceptions #ZZ", "no vector"),
        ("ports 99999", "no port"),
        ("console 9", "no console"),
        ("cr3 5", "takes nothing"),
        ("cr3 --limit 0", "no number from 1 on"),
    ],
)
def test_what_cannot_be_asked(session: Session, line: str, answer: str) -> None:
    assert answer in session.execute(f"query {line}")


def test_every_question_has_an_example() -> None:
    asked = {example.split()[1] for example in catalog.commands().find("query").examples}
    assert asked == set(NAMES) - OF_LINUX
    assert {*QUESTIONS, DIFFERENCE, RACES} == set(NAMES)
