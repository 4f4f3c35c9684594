"""When what was learnt is void."""

from __future__ import annotations

import pytest

from tests.guests.build import sample_kernel
from vmdbg.commands import catalog
from vmdbg.machine.inputs import RegisterWrite
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.units import Physical


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


def test_a_standing_guest_is_the_same_whatever_is_typed_that_leaves_it_alone(session: Session) -> None:
    before = session.moments.standing
    for line in ("when", "bt", "context", "print $rsp", "x/4xg $rsp", "symbol deposit", "break deposit", "delete all"):
        session.run(line)
    assert session.moments.standing == before


@pytest.mark.parametrize(
    "line",
    [
        "set $rax = 1", "set $rip = $rip", "set mem[$rsp] = 0", "stepi", "next", "reverse-stepi", "goto +0",
        "goto start", "fork", "symbol-file {kernel}", "symbol-file {kernel} --remove",
    ],
)  # fmt: skip
def test_a_line_that_writes_or_moves_the_guest_or_brings_files_begins_something_new(live: Session, line: str) -> None:
    live.run("stepi 100")
    before = live.moments.standing
    live.run(line.format(kernel=sample_kernel()))
    assert (live.moments.standing == before) == (line in ("goto +0", "fork"))


def test_what_others_write_begins_something_new_as_well(live: Session) -> None:
    other = Session(live.debugger, catalog.commands, allowed=~Effect.NONE, owner="other")
    debugger, seen = live.debugger, [live.moments.standing]
    debugger.write_physical(Physical(0x8000), b"\1")
    seen.append(live.moments.standing)
    debugger.timeline.push(RegisterWrite("rbx", 5))
    seen.append(live.moments.standing)
    other.run("set $rcx = 1")
    seen.append(live.moments.standing)
    other.run("stepi")
    seen.append(live.moments.standing)
    debugger.timeline.seek(debugger.timeline.start)
    seen.append(live.moments.standing)
    debugger.timeline.seek(debugger.timeline.end)
    seen.append(live.moments.standing)
    assert len(set(seen)) == len(seen)
    other.close()
