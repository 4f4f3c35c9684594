"""Leaving a frame by call frame information."""

from __future__ import annotations

from vmdbg.session.session import Session
from vmdbg.session.unwinding import current_frame


def test_the_caller_is_where_the_return_address_says(session: Session) -> None:
    """At a function's first instruction that is on top of the stack."""
    rsp = session.registers.read("rsp")
    found = session.call_frames.caller(current_frame(session).registers, is_exact=True)
    assert found is not None
    registers, is_exact = found
    assert registers["rip"] == session.integer("u64(rsp)")
    assert registers["rsp"] == rsp + 8
    assert not is_exact
    assert registers["rbp"] == session.registers.read("rbp")


def test_code_of_no_file_is_not_known(session: Session) -> None:
    assert session.call_frames.caller({"rip": 0x1000, "rsp": 0x2000}, is_exact=True) is None
