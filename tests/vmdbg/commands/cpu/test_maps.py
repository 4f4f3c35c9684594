"""maps."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_ranges_ascend_and_one_has_the_pc(session: Session) -> None:
    rows = json.loads(session.execute("maps --json"))
    starts = [int(row["start"], 16) for row in rows]
    assert starts == sorted(starts)
    [here] = [row for row in rows if "rip" in row["contains"]]
    assert here["may"] == "-r-x"


def test_one_address(session: Session) -> None:
    [row] = json.loads(session.execute("maps rsp --json"))
    assert row["may"] == "-rw-"
    assert "not mapped" in session.execute("maps 0x100000")


def test_physical_pieces(session: Session) -> None:
    row = json.loads(session.execute("maps rip --physical --json"))[0]
    offset = session.debugger.pc - int(row["start"], 16)
    assert int(row["physical"], 16) + offset == session.evaluate("translate(rip)")


def test_the_limit_is_said(session: Session) -> None:
    assert "more than 1 ranges" in session.execute("maps --limit 1")
