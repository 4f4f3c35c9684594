"""history, back and forward."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_back_and_forward_through_stops(session: Session) -> None:
    session.run("stepi")
    first = session.debugger.position
    session.run("stepi 5")
    second = session.debugger.position
    session.run("back")
    assert session.debugger.position == first
    session.run("forward")
    assert session.debugger.position == second
    assert len(json.loads(session.execute("history --json"))) == 2
    assert "no such stop" in session.execute("back 5")
