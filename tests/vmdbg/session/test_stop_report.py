"""Why the guest stopped, in words: every kind of stop."""

from __future__ import annotations

import pytest

from vmdbg.debugger.stops import HistoryEnd, HistoryStart, Interrupted, StepDone, Stop
from vmdbg.document.plain import render_plain
from vmdbg.session.session import Session
from vmdbg.session.stop_report import headline, place_text, report


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (StepDone(), ""),
        (Interrupted(), "interrupted"),
        (HistoryStart(), "the history starts here"),
        (HistoryEnd(), "the recording ends here; fork goes on from it"),
    ],
)
def test_plain_reasons(session: Session, stop: Stop, words: str) -> None:
    assert headline(session, stop) == words
    lines = render_plain(report(session, stop)).splitlines()
    assert lines[:-1] == ([words] if words else [])
    assert lines[-1].startswith(f"at {session.debugger.pc:#x} <deposit> (")
    assert lines[-1].endswith(f"bank.c:62, tick {session.debugger.position}")


def test_data_names_place_function_and_arguments(session: Session) -> None:
    data = report(session, StepDone()).data
    assert isinstance(data, dict)
    assert (data["stop"], data["pc"], data["function"]) == ("StepDone", f"{session.debugger.pc:#x}", "deposit")
    assert isinstance(data["arguments"], dict)
    assert set(data["arguments"]) == {"form"} or len(data["arguments"]) > 0


def test_another_place_has_no_arguments(session: Session) -> None:
    assert "(" not in str(place_text(session, session.integer("mutex_lock"))).split(" /")[0]


def test_a_watchpoint_says_old_and_new(session: Session) -> None:
    session.run("watch *(long *)(rsp - 8)")
    shown = session.execute("continue")
    assert "8 bytes written at" in shown
    assert " -> " in shown


def test_a_watchpoint_says_the_same_on_the_way_back(session: Session) -> None:
    session.run("awatch *(long *)(rsp - 8)")
    forwards = [session.execute("continue").splitlines()[0] for _ in range(6)]
    backwards = [session.execute("reverse-continue").splitlines()[0] for _ in range(6)]
    assert [line.split(", hit")[0] for line in backwards[::-1]] == [line.split(", hit")[0] for line in forwards]


def test_a_breakpoint_says_how_often_and_whose(session: Session) -> None:
    session.run("break mutex_lock")
    assert session.execute("continue").startswith("breakpoint ")
    assert ", hit 2 times" in session.execute("continue")
