"""Functions that are stepped over."""

from __future__ import annotations

from vmdbg.session.session import Session
from vmdbg.session.skips import Skips


def test_patterns_are_of_whole_names(session: Session) -> None:
    skips = Skips(session.symbols)
    inside = session.integer("mutex_lock") + 3
    assert not skips.skips(inside)
    skips.patterns.append("mutex")
    assert not skips.skips(inside)
    skips.patterns.append("mutex_*")
    assert skips.skips(inside)
    assert not skips.skips(session.integer("deposit"))
    assert not skips.skips(1)
