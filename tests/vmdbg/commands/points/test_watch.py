"""watch, rwatch, awatch and ba."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_a_change_is_reported_with_old_and_new(session: Session) -> None:
    session.run("watch rsp-8")
    shown = session.execute("continue")
    assert "8 bytes written at" in shown
    assert " -> " in shown
    assert "tick" in shown


def test_a_value_condition(session: Session) -> None:
    session.run("watch rsp-8 if value == rbp")
    session.run("continue")
    assert session.evaluate("mem[rsp] == rbp")


def test_writes_that_change_nothing_only_if_asked(session: Session) -> None:
    session.run("awatch rsp 8")
    assert "8 bytes" in session.execute("continue")


def test_reads(session: Session) -> None:
    session.run("rwatch rsp 8")
    assert "read at" in session.execute("continue")


def test_in_windbgs_words(session: Session) -> None:
    assert "watchpoint" in session.execute("ba w4 rsp")
    assert "breakpoint" in session.execute("ba e1 rip")
    assert "an access is e, r or w" in session.execute("ba q4 rsp")


def test_no_range_of_memory(session: Session) -> None:
    assert "0 is no number of bytes" in session.execute("watch rsp 0")
