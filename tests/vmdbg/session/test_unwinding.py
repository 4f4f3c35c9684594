"""Backtraces: the same caller from every instruction of a function."""

from __future__ import annotations

from tests.guests.build import assemble
from tests.vmdbg.conftest import EVERYTHING
from tests.vmdbg.gdb.guests import guest
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
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


FRAMES_OF_16_BITS = """
bits 16
org 7c00h
    cli
    mov ax, 800h
    mov ss, ax
    mov esp, 0beef1000h
    mov ebp, 0dead0000h
    call outer
outer:
    push bp
    mov bp, sp
    sub sp, 6
    call inner
inner:
    push bp
    mov bp, sp
    push ax
    hlt
times 510 - ($ - $$) db 0
dw 0aa55h
"""


def test_in_real_mode_the_lower_half_of_ebp_leads_on() -> None:
    """A stack of 16 bits uses no more of it and of ESP, and firmware leaves something in the rest."""
    with guest(assemble(FRAMES_OF_16_BITS)) as made:
        session = Session(made.debugger, catalog.commands())
        made.debugger.resume(Continue())
        made.debugger.wait()
        trace = backtrace(session)
        assert trace.complete, trace.stopped
        inner, outer, start = trace.frames
        assert start.pc + 9 == outer.pc == inner.pc - 5
        assert [frame.sp for frame in trace.frames] == [0x8FF0, 0x8FF6, 0x9000]


CALLED = """
bits 16
org 7c00h
    cli
    mov sp, 7c00h
    call far_end
there: jmp there
far_end:
    inc ax
    hlt
times 510 - ($ - $$) db 0
dw 0aa55h
"""


def test_where_a_direct_call_has_just_led_the_caller_is_seen_whatever_the_function_begins_with() -> None:
    with guest(assemble(CALLED)) as made:
        session = Session(made.debugger, catalog.commands(), allowed=EVERYTHING)
        session.run("stepi 3")
        assert [frame.pc for frame in backtrace(session).frames] == [session.debugger.pc, session.debugger.pc - 2]
        session.run("stepi")
        assert len(backtrace(session).frames) == 1
