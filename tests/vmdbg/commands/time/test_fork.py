"""fork."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_another_future(live: Session) -> None:
    live.run("tbreak deposit")
    live.run("continue")
    live.run("continue")
    live.run("goto 50%")
    assert "this is the past" in live.execute("set rax = 1")
    assert "no longer this timeline's" in live.execute("fork")
    live.run("set rax = 1")
    assert live.debugger.timeline.live
