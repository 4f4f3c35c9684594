"""Looking at another instant and coming back."""

from __future__ import annotations

import pytest

from vmdbg.debugger.actions import Continue
from vmdbg.errors import UserError
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.session import Session


def test_one_stands_where_one_stood_after_looking_elsewhen(session: Session) -> None:
    here, start = session.debugger.position, session.debugger.timeline.start
    with elsewhen(session, start):
        assert session.debugger.position == start
    assert session.debugger.position == here
    with pytest.raises(ZeroDivisionError), elsewhen(session, start):
        raise ZeroDivisionError
    assert session.debugger.position == here


def test_a_running_guest_is_left_alone(live: Session) -> None:
    live.debugger.resume(Continue())
    with pytest.raises(UserError, match="running"), elsewhen(live):
        raise AssertionError
    live.debugger.interrupt()
    live.debugger.wait()
