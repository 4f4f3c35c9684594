"""Ctrl-C while a line is carried out: at signs of progress, or at once."""

from __future__ import annotations

import signal

import pytest

from vmdbg.machine.digest import digest
from vmdbg.repl.interruption import Interruption
from vmdbg.session.session import Session


def test_it_is_heeded_at_the_next_check_and_only_once() -> None:
    interruption, before = Interruption(), signal.getsignal(signal.SIGINT)
    with interruption.heeded(at_once=False):
        interruption.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        interruption.check()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_users_own_code_ends_at_once() -> None:
    with Interruption().heeded(at_once=True), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_the_users_own_code_does_not_leave_the_machine_half_moved(session: Session) -> None:
    before = digest(session.debugger.machine)
    interruption = Interruption()
    timeline = session.debugger.timeline
    here = timeline.position
    with interruption.heeded(at_once=True):
        timeline.go(timeline.start, lambda _: signal.raise_signal(signal.SIGINT))
        timeline.go(here, lambda _: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert digest(session.debugger.machine) == before


def test_one_that_came_too_late_is_forgotten() -> None:
    interruption = Interruption()
    with interruption.heeded(at_once=False):
        signal.raise_signal(signal.SIGINT)
    with interruption.heeded(at_once=False):
        interruption.check()


@pytest.mark.parametrize("line", ["last-write rsp", "query cr3", "query writes rsp", "diff start", "where-was start"])
def test_an_interrupted_search_leaves_the_guest_where_it_was(session: Session, line: str) -> None:
    """Wherever the work can be left, the machine is afterwards as before."""
    before, position = digest(session.debugger.machine), session.debugger.position
    for patience in range(4):
        left = patience

        def progress(done: float) -> None:
            nonlocal left
            del done
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        session.progress = progress
        try:
            session.run(line)
        except KeyboardInterrupt:
            assert (digest(session.debugger.machine), session.debugger.position) == (before, position)
        finally:
            session.progress = None
    assert digest(session.debugger.machine) == before
