"""One row of a backtrace."""

from __future__ import annotations

from dataclasses import replace

from vmdbg.session.session import Session


def test_position_is_as_much_as_is_known(session: Session) -> None:
    frame = session.frames.innermost()
    assert frame.position.endswith("bank.c:62")
    assert replace(frame, line=0).position == frame.file
    assert replace(frame, file="").position == ""
    assert replace(frame, scope=None).function == ""
