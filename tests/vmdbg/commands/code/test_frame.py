"""frame, up and down."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_a_frame_shows_its_call(session: Session) -> None:
    shown = session.execute("frame 1")
    assert "teller_main" in shown.splitlines()[0]
    assert any(line.startswith("=>") and "deposit(" in line for line in shown.splitlines())
    assert json.loads(session.execute("frame 1 --json"))


def test_up_and_down_move_until_the_guest_does(session: Session) -> None:
    assert "teller_main" in session.execute("up")
    assert "thread_main" in session.execute("up")
    assert session.execute("frame") == session.execute("frame 2")
    assert "thread_start" in session.execute("up 100")
    assert session.execute("up") == session.execute("frame 3")
    assert "deposit" in session.execute("down 3")
    assert session.execute("down") == session.execute("frame 0")
    session.run("up")
    session.run("stepi")
    assert "deposit" in session.execute("frame").splitlines()[0]


def test_a_frame_that_is_not_there(session: Session) -> None:
    assert "bt shows 0 to 3" in session.execute("frame 4")
