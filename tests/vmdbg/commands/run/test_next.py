"""next, nexti and their reverses."""

from __future__ import annotations

from tests.vmdbg.commands.run.test_step import line
from vmdbg.session.session import Session


def test_next_passes_over_calls(session: Session) -> None:
    session.run("next 2")
    assert line(session).startswith("bank.c:6")
    assert session.symbols.nearest(session.debugger.pc).symbol.name == "deposit"  # type: ignore[union-attr]  # it has one


def test_nexti_over_a_call_and_back_over_it(session: Session) -> None:
    while "call" not in str(session.run("u rip 1").blocks[0]):
        session.run("stepi")
    call, stack = session.debugger.pc, session.registers.read("rsp")
    session.run("nexti")
    assert session.debugger.pc == call + 5
    assert session.registers.read("rsp") == stack
    session.run("reverse-nexti")
    assert session.debugger.pc == call


def test_a_breakpoint_inside_a_call_stops_nexti(session: Session) -> None:
    session.run("break bug_planted")
    session.run("next 3")
    assert "bug_planted" in session.describe(session.debugger.pc)


def test_reverse_next_goes_back_a_line(session: Session) -> None:
    session.run("next 2")
    session.run("reverse-next")
    assert line(session) == "bank.c:63"
