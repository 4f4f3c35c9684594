"""bookmark."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_set_list_delete(session: Session) -> None:
    session.run("bookmark one")
    session.run("bookmark two start")
    assert [row["name"] for row in json.loads(session.execute("bookmark --json"))] == ["two", "one"]
    session.run("bookmark one --delete")
    assert "no bookmark 'one'" in session.execute("bookmark one --delete")


def test_names_that_are_none(session: Session) -> None:
    for name in ("start", "1x", "a b", "'"):
        assert session.execute(f"bookmark {name}").startswith("error")
