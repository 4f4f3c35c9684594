"""Where the user has been."""

from __future__ import annotations

from vmdbg.debugger.stops import StepDone
from vmdbg.session.session import Session
from vmdbg.session.visits import KEPT, Visits


def test_each_stop_is_kept_once_and_going_back_forgets_what_came_after(session: Session) -> None:
    visits = session.part(Visits)
    for _ in range(4):
        session.run("stepi")
    places = [position for position, _, _ in visits.places]
    assert places == sorted(set(places))
    visits.on_stop(StepDone())
    assert len(visits.places) == 4, "the same place again"
    visits.current = 1
    session.run("stepi 9")
    assert [position for position, _, _ in visits.places[:2]] == places[:2]
    assert len(visits.places) == 3


def test_a_return_to_a_place_is_no_new_visit_and_no_list_grows_for_ever(session: Session) -> None:
    visits = session.part(Visits)
    visits.returning = True
    visits.on_stop(StepDone())
    assert visits.places == []
    visits.returning = False
    visits.places = [(session.debugger.timeline.start, number, "") for number in range(KEPT)]
    visits.current = KEPT - 1
    visits.on_stop(StepDone())
    assert len(visits.places) == KEPT
    assert visits.places[-1][1] == session.debugger.pc
