"""continue, reverse-continue and interrupt."""

from __future__ import annotations

from vmdbg.debugger.stops import BreakpointStop, HistoryStart
from vmdbg.session.session import Session


def test_continue_to_a_breakpoint_and_back_to_it(session: Session) -> None:
    start = session.debugger.position
    session.run("break mutex_lock")
    assert "breakpoint" in session.execute("continue")
    first = session.debugger.position
    session.run("continue")
    session.run("reverse-continue")
    assert session.debugger.position == first > start
    assert isinstance(session.debugger.last_stop, BreakpointStop)


def test_without_breakpoints_back_to_the_start(session: Session) -> None:
    assert "the history starts here" in session.execute("rc")
    assert isinstance(session.debugger.last_stop, HistoryStart)
    assert session.debugger.position == session.debugger.timeline.start


def test_continue_ignores_as_often_as_asked(session: Session) -> None:
    session.run("break mutex_lock")
    session.run("continue")
    session.run("continue 3")
    assert next(iter(session.debugger.points.breakpoints.values())).hits == 4


def test_the_end_of_a_recording_is_said(session: Session) -> None:
    assert "the recording ends here" in session.execute("continue")


def test_nothing_to_interrupt(session: Session) -> None:
    assert "stands already" in session.execute("interrupt")
