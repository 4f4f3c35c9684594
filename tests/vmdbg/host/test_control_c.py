"""Ctrl-C while a line is carried out: where the work looks, or at once."""

from __future__ import annotations

import signal

import pytest

from vmdbg.host.control_c import control_c_interrupts
from vmdbg.interruption import INTERRUPTION
from vmdbg.machine.digest import digest
from vmdbg.session.session import Session


def test_a_line_ends_at_once_and_only_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with control_c_interrupts():
        INTERRUPTION.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        INTERRUPTION.check()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_must_be_whole_is_left_where_it_looks() -> None:
    with control_c_interrupts():
        with INTERRUPTION.critical():
            signal.raise_signal(signal.SIGINT)
            INTERRUPTION.check()
        with pytest.raises(KeyboardInterrupt):
            INTERRUPTION.check()


def test_a_line_does_not_leave_the_machine_half_moved(session: Session) -> None:
    timeline = session.debugger.timeline
    here, before = timeline.position, digest(session.debugger.machine)
    reached = []

    def press(done: float) -> None:
        reached.append(done)
        signal.raise_signal(signal.SIGINT)

    def to_and_fro() -> None:
        while True:
            timeline.seek(timeline.start)
            timeline.seek(here, press)

    with control_c_interrupts(), pytest.raises(KeyboardInterrupt):
        to_and_fro()
    assert len(reached) == 1
    timeline.seek(here)
    assert digest(session.debugger.machine) == before


def test_one_that_came_too_late_is_forgotten() -> None:
    with control_c_interrupts(), INTERRUPTION.critical():
        signal.raise_signal(signal.SIGINT)
    with control_c_interrupts():
        INTERRUPTION.check()


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
