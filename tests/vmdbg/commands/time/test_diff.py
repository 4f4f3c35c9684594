"""diff."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_one_push(session: Session) -> None:
    session.run("stepi")
    found = json.loads(session.execute("diff -1 here --json"))
    changed = {row["register"] for row in found["registers"]}
    assert changed == {"rip", "rsp"}
    [piece] = found["memory"]["rows"]
    assert int(piece["physical"], 16) <= session.evaluate("translate(rsp)") + 8


def test_nothing_differs_from_itself(session: Session) -> None:
    before = session.debugger.position
    found = json.loads(session.execute("diff here here --json"))
    assert found["registers"] == []
    assert found["memory"] == {"rows": [], "text": [0]}
    assert session.debugger.position == before
