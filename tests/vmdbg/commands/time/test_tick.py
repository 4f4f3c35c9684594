"""tick."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_tick_is_the_clock(session: Session) -> None:
    found = json.loads(session.execute("tick --json"))
    assert found["tick"] == session.debugger.machine.clock
    assert found["position"] == str(session.debugger.position)
