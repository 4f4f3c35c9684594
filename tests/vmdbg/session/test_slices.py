"""Whoever looks between slices is asked on every way forwards, and on none back."""

from __future__ import annotations

import pytest

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.session.session import Session

SHORT = 200_000


def wait(debugger: Debugger) -> Stop:
    """In slices so short that each way has many."""
    while (stop := debugger.poll(SHORT)) is None:
        pass
    return stop


@pytest.mark.parametrize("line", ["continue", 'goto "teller 1"', "until deposit", "until-user", "goto 9000000"])
def test_forwards_they_are_asked_and_may_set_what_stops_the_guest(live: Session, line: str) -> None:
    seen = []

    def look() -> None:
        seen.append(live.debugger.position)
        if len(seen) == 5:
            live.debugger.points.add_breakpoint(live.symbols.address_of("thread_main"))
            live.debugger.slice_listeners.remove(look)

    live.execution.wait = wait
    live.debugger.slice_listeners.append(look)
    live.run(line)
    assert len(seen) == 5
    assert seen == sorted(set(seen))
    assert live.debugger.pc == live.symbols.address_of("thread_main")


@pytest.mark.parametrize("line", ["reverse-continue", "reverse-step", "reverse-until-user", "goto start"])
def test_backwards_they_are_not(session: Session, line: str) -> None:
    asked = []
    session.debugger.slice_listeners.append(lambda: asked.append(line))
    try:
        session.run("next 3")
        asked.clear()
        session.run(line)
    finally:
        session.debugger.slice_listeners.pop()
    assert asked == []
