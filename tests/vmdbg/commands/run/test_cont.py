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
    assert next(iter(session.debugger.points.breakpoints.values())).hits.up_to(session.debugger.position) == 4


def test_the_end_of_a_recording_is_said(session: Session) -> None:
    assert "the recording ends here" in session.execute("continue")


def test_nothing_to_interrupt(session: Session) -> None:
    assert "stands already" in session.execute("interrupt")


def _hits(session: Session) -> int:
    [point] = session.debugger.points.breakpoints.values()
    return point.hits.up_to(session.debugger.position)


def test_hits_follow_the_position(session: Session) -> None:
    session.run("break mutex_lock")
    counted = []
    for _ in range(5):
        session.run("continue")
        counted.append(_hits(session))
    for _ in range(4):
        session.run("reverse-continue")
        counted.append(_hits(session))
    session.run("continue")
    assert [*counted, _hits(session)] == [1, 2, 3, 4, 5, 4, 3, 2, 1, 2]


def test_a_search_back_counts_what_it_stops_at_and_no_more(session: Session) -> None:
    session.run("goto end")
    session.run("break mutex_lock if rdi != 0")
    assert session.execute("reverse-continue").splitlines()[0] == "breakpoint " + str(
        next(iter(session.debugger.points.breakpoints))
    )
    assert _hits(session) == 1


def test_hits_are_ignored_on_the_way_back_as_well(session: Session) -> None:
    session.run("break mutex_lock")
    places = []
    for _ in range(4):
        session.run("continue")
        places.append(session.debugger.position)
    session.run("delete all")
    session.run("stepi")
    session.run("break mutex_lock --ignore 2")
    session.run("reverse-continue")
    assert session.debugger.position == places[1]


def test_a_fork_forgets_the_hits_of_the_dropped_future(live: Session) -> None:
    live.run("break mutex_lock")
    live.run("continue")
    live.run("continue 5")
    live.run("goto start")
    live.run("fork")
    shown = live.execute("continue").splitlines()[0]
    assert shown == "breakpoint 1"


def test_a_step_onto_a_breakpoint_counts_and_ends_the_other_steps(session: Session) -> None:
    session.run("break linear_pc+1")
    session.run("stepi 10")
    assert isinstance(session.debugger.last_stop, BreakpointStop)
    assert _hits(session) == 1
