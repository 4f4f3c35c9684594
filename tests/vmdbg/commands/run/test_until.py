"""until."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_until_a_place(session: Session) -> None:
    session.run("until mutex_lock")
    assert session.describe(session.debugger.pc) == "mutex_lock"


def test_until_without_a_place_passes_the_line(session: Session) -> None:
    span = session.sources.span(session.debugger.pc)
    assert span is not None
    session.run("until")
    assert session.debugger.pc == span[1]


def test_a_text_is_waited_for_as_by_goto(live: Session) -> None:
    live.run('until "timer: PIT"')
    assert "timer: PIT" in live.debugger.timeline.console.text
