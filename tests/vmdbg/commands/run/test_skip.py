"""skip."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_patterns_come_and_go(session: Session) -> None:
    session.run("skip mutex_*")
    assert json.loads(session.execute("skip --json")) == ["mutex_*"]
    assert "is not skipped" in session.execute("skip --off nothing")
    session.run("skip --off mutex_*")
    assert session.execute("skip") == "step runs over nothing\n"
