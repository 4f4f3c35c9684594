"""Instants in words."""

from __future__ import annotations

import pytest

from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.session.positions import find_position, percent_of, ticks_of
from vmdbg.session.session import Session
from vmdbg.units import Tick


def test_the_forms_of_an_instant(session: Session) -> None:
    timeline = session.debugger.timeline
    here = timeline.position
    timeline.bookmarks["pay"] = Position(Tick(here.tick + 7))
    assert find_position(session, "here") == here
    assert find_position(session, " start ") == timeline.start
    assert find_position(session, "end") == timeline.end
    assert find_position(session, "pay") == timeline.bookmarks["pay"]
    assert find_position(session, "+1000").tick == here.tick + 1000
    assert find_position(session, "+1us").tick == here.tick + 1000
    assert find_position(session, "-2.5k").tick == here.tick - 2500
    assert find_position(session, "100%").tick == timeline.end.tick
    assert find_position(session, "tick + 5").tick == here.tick + 5
    assert timeline.position == here, "nothing has moved"


def test_before_the_start_there_is_the_start(session: Session) -> None:
    assert find_position(session, f"-{1 << 40}").tick == session.debugger.timeline.start.tick


@pytest.mark.parametrize("words", ["nowhere", "+nothing", "hit:nowhere", "exception:999"])
def test_what_names_no_instant_is_refused(session: Session, words: str) -> None:
    here = session.debugger.position
    with pytest.raises(UserError):
        find_position(session, words)
    assert session.debugger.position == here


@pytest.mark.parametrize(("words", "ticks"), [("3", 3), ("2k", 2000), ("1.5ms", 1_500_000), ("1G", 10**9), ("2*3", 6)])
def test_durations(session: Session, words: str, ticks: int) -> None:
    assert ticks_of(session, words) == ticks


def test_how_far_through_history(session: Session) -> None:
    timeline = session.debugger.timeline
    assert percent_of(session, timeline.start) == 0
    assert percent_of(session, timeline.end) == 100
