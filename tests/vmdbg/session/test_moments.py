"""When what was learnt is void."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_a_moment_lasts_until_the_guest_moves_or_something_is_typed(session: Session) -> None:
    before = session.moments.now
    assert session.moments.now == before
    session.run("when")
    typed = session.moments.now
    assert typed != before
    stops = session.moments.stops
    session.run("stepi")
    stepped = session.moments.now
    assert stepped != typed
    assert session.moments.stops == stops + 1
    session.debugger.timeline.seek(session.debugger.timeline.start)
    assert session.moments.now != stepped
