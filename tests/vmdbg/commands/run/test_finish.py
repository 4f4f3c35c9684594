"""finish and reverse-finish."""

from __future__ import annotations

from vmdbg.debugger.stepping import instruction_at
from vmdbg.session.session import Session
from vmdbg.x86.instruction import Kind

SHORTLY = 2000
"""Ticks from an interrupt to its function in C."""


def test_finish_returns_to_the_caller_with_the_value(session: Session) -> None:
    session.run("break bug_planted")
    session.run("continue")
    shown = session.execute("finish")
    assert "<deposit+" in shown
    assert "returned (_Bool)false" in shown


def test_finish_inside_a_prologue(session: Session) -> None:
    session.run("stepi")
    session.run("finish")
    assert "teller_main" in session.describe(session.debugger.pc)


def test_reverse_finish_goes_to_the_call(session: Session) -> None:
    session.run("next 2")
    session.run("reverse-finish")
    assert "teller_main" in session.describe(session.debugger.pc)
    assert "call" in str(session.run("u rip 1").blocks[0])


def test_no_caller(real_mode: Session) -> None:
    assert "there is no caller" in real_mode.execute("finish")


def test_reverse_finish_leads_to_the_call_or_to_the_interruption_of_each_frame(session: Session) -> None:
    """Through interrupts, faults and system calls: the frame's caller is left there, as the next instant shows."""
    debugger = session.debugger
    kinds = set()
    for function in ("timer_interrupt", "syscall", "exception"):
        debugger.timeline.seek(debugger.timeline.end)
        session.run(f"break {function}")
        session.run("reverse-continue")
        session.run("delete all")
        assert session.describe(debugger.pc) == function
        here, frames = debugger.position, session.frames.trace().frames
        for row in session.frames.all():
            if row.is_inlined or row.physical.number + 1 == len(frames):
                continue
            debugger.timeline.seek(here)
            session.run(f"frame {row.number}")
            session.run("reverse-finish")
            outer, kind = frames[row.physical.number + 1], instruction_at(debugger).kind
            left = debugger.position
            assert left < here
            assert debugger.engine.read_register("rsp") == outer.registers["rsp"]
            if outer.is_exact:
                session.run("stepi --mode architectural")
                assert session.describe(debugger.pc).startswith(("interrupt_entry_", "syscall_entry"))
                assert "+" not in session.describe(debugger.pc)
                assert here.tick - left.tick < SHORTLY
                kinds.add(session.describe(debugger.pc))
            else:
                assert kind & Kind.CALL
                assert debugger.pc + instruction_at(debugger).length == outer.pc
    assert {"interrupt_entry_32", "interrupt_entry_14", "syscall_entry"} <= kinds
