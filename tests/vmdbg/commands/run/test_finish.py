"""finish and reverse-finish."""

from __future__ import annotations

from vmdbg.session.session import Session


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
