"""last-write."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_the_call_wrote_the_return_address(session: Session) -> None:
    before = session.debugger.position
    found = json.loads(session.execute("last-write rsp --json"))
    assert found["instruction"].startswith("call ")
    assert "teller_main" in found["by"]
    assert session.debugger.position == before


def test_going_there(session: Session) -> None:
    session.run("last-write rsp --go")
    assert "teller_main" in session.describe(session.debugger.pc)


def test_nothing_wrote(session: Session) -> None:
    assert "nothing wrote there" in session.execute("last-write deposit")
    assert not session.debugger.points.watchpoints


def test_what_was_written_is_told(session: Session) -> None:
    """A call writes its return address; before it there was another value."""
    back = session.integer("mem[rsp]")
    wrote = json.loads(session.execute("last-write rsp --json"))["wrote"]
    assert wrote.startswith(f"8 bytes at {session.integer('rsp'):#x}: {back:#x}, 0x")
    assert wrote.endswith(" before")
