"""Linux for questions about a whole history."""

from __future__ import annotations

import pytest

from vmdbg.errors import VmdbgError
from vmdbg.session.known_linux import linux_of
from vmdbg.session.session import Session


@pytest.mark.timeout(300)
def test_it_is_known_as_the_end_of_the_history_has_it_from_wherever_one_stands(linux: Session) -> None:
    timeline = linux.debugger.timeline
    timeline.seek(timeline.start)
    here = timeline.position
    known = linux_of(linux)
    assert known.functions
    assert timeline.position == here


def test_without_a_linux_one_stays_where_one_stood(session: Session) -> None:
    here = session.debugger.position
    with pytest.raises(VmdbgError, match="no operating system"):
        linux_of(session)
    assert session.debugger.position == here
