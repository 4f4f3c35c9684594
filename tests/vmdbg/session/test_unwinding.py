"""Backtraces: the same caller from every instruction of a function."""

from __future__ import annotations

from vmdbg.session.session import Session
from vmdbg.session.unwinding import Unwinder, backtrace, current_frame, follows_call


def callers(session: Session) -> list[int]:
    """Where the frames go on that are none of the function itself."""
    return [frame.pc for frame in backtrace(session).frames[1:]]


def test_the_callers_stay_the_same_through_a_function(session: Session) -> None:
    expected, stack = callers(session), session.registers.read("rsp")
    assert len(expected) >= 1
    seen = 0
    while session.registers.read("rsp") <= stack and seen < 60:
        if session.describe(session.debugger.pc).startswith("deposit"):
            assert callers(session) == expected, session.describe(session.debugger.pc)
        session.run("nexti")
        seen += 1
    assert seen > 10


def test_without_files_frame_pointers_lead_to_the_same_callers(session: Session) -> None:
    session.run("nexti 3")
    expected = callers(session)
    kept = session.sources.files[:]
    session.sources.files.clear()
    session.run("when")
    try:
        found = Unwinder(session).trace([current_frame(session)]).frames
    finally:
        session.sources.files.extend(kept)
        session.run("when")
    assert [frame.pc for frame in found[1 : len(expected) + 1]] == expected[: len(found) - 1]
    assert len(found) > 1


def test_what_follows_a_call_is_known(session: Session) -> None:
    return_address = session.integer("u64(rsp)")
    assert follows_call(session, return_address)
    assert not follows_call(session, session.integer("deposit") + 1)
    assert not follows_call(session, 0x1000)


def test_a_stack_that_leads_nowhere_says_why(real_mode: Session) -> None:
    trace = backtrace(real_mode)
    assert len(trace.frames) == 1
    assert trace.complete or trace.stopped
