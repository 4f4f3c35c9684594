"""Runs on behalf of a session, and the lines that stops carry out."""

from __future__ import annotations

import pytest

from vmdbg.debugger.points import Point
from vmdbg.errors import UserError
from vmdbg.session import execution
from vmdbg.session.session import Session


@pytest.fixture
def point(session: Session) -> Point:
    session.run("break mutex_lock")
    (made,) = session.debugger.points.breakpoints.values()
    return made


def test_lines_of_a_breakpoint_are_answered_behind_the_stop(session: Session, point: Point) -> None:
    session.execution.on_point[point.number] = ("echo here {cpl}", "echo and there")
    lines = session.execute("continue").splitlines()
    assert lines[0].startswith("breakpoint ")
    assert lines[-2:] == ["here 0", "and there"]


def test_one_that_lets_the_guest_go_on_is_the_last_and_the_stop_after_it_counts(session: Session, point: Point) -> None:
    session.execution.on_point[point.number] = ("echo first", "tbreak bug_planted", "continue", "echo never")
    lines = session.execute("continue").splitlines()
    assert "first" in lines
    assert "never" not in lines
    assert lines[-1].startswith(f"at {session.debugger.pc:#x} ")


def test_what_goes_wrong_there_says_where(session: Session, point: Point) -> None:
    session.execution.on_point[point.number] = ("nonsense",)
    with pytest.raises(UserError, match="in the commands of a breakpoint: there is no command 'nonsense'"):
        session.run("continue")
    session.execution.on_point.clear()
    session.run("stepi")


def test_going_on_and_on_comes_to_an_end(session: Session, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MAX_ROUNDS", 3)
    session.execution.on_point[point.number] = ("continue",)
    with pytest.raises(UserError, match="use a logpoint"):
        session.run("continue")
