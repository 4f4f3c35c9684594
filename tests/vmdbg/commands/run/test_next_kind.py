"""To the next call and return, forwards and back."""

from __future__ import annotations

from tests.vmdbg.commands.run.test_rings import PLACES, user
from tests.vmdbg.debugger.programs import run_to
from vmdbg.session.session import Session

__all__ = ["user"]


def test_next_call_and_next_return(user: tuple[Session, PLACES]) -> None:
    session, at = user
    run_to(session.debugger, at["three"])
    session.run("next-call")
    assert session.debugger.pc == at["four"]
    session.run("stepi")
    session.run("next-ret")
    assert session.debugger.pc == at["further"] - 1
    session.run("reverse-next-call")
    assert session.debugger.pc == at["away"] + 1
    session.run("stepi")
    session.run("next-ret")
    assert session.debugger.pc == at["last"]
    run_to(session.debugger, at["five"])
    session.run("reverse-next-ret")
    assert session.debugger.pc == at["further"] - 1
