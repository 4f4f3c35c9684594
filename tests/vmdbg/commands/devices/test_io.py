"""io."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_who_answers_a_port(session: Session) -> None:
    assert "com1" in session.execute("io 0x3fd")
    assert "no device answers at port 0x1234" in session.execute("io 0x1234")


def test_unclaimed_accesses_are_counted(session: Session) -> None:
    ports = session.debugger.machine.pc.ports
    before = session.execute("io --unclaimed")
    ports.read(0x1234, 1, 0)
    assert "0x1234  read" in session.execute("io --unclaimed")
    assert "0x1234" not in before
