"""when."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_past_and_end(session: Session) -> None:
    found = json.loads(session.execute("when --json"))
    assert found["position"] == str(session.debugger.position)
    assert "this is the past" in found["what comes"]
    session.run("goto end")
    assert "the recording ends here" in session.execute("when")


def test_live(live: Session) -> None:
    assert "the guest is live" in live.execute("when")
