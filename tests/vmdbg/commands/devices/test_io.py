"""io."""

from __future__ import annotations

import json

from tests.vmdbg.debugger.programs import program
from vmdbg.commands import catalog
from vmdbg.session.registry import Effect
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


def test_what_nobody_answered_is_counted_up_to_the_present_instant() -> None:
    source = """
    mov ecx, 6
again:
    mov dx, 9999h
    out dx, al
    in al, dx
middle:
    dec ecx
    jnz again
    finish 0
"""
    with program(source, "middle") as (debugger, at, _):
        session = Session(debugger, catalog.commands(), allowed=~Effect.NONE)
        session.run(f"break {at['middle']:#x}")

        def counted() -> list[int]:
            rows = json.loads(session.execute("io --unclaimed --json"))
            return [row["times"] for row in rows if row["port"] == "0x9999"]

        for times in range(1, 7):
            session.run("continue")
            assert counted() == [times, times]
        for times in range(5, 0, -1):
            session.run("reverse-continue")
            assert counted() == [times, times]
        debugger.timeline.take_checkpoint()
        saved = debugger.machine.save()
        debugger.machine.restore(saved)
        assert debugger.machine.save().unanswered == saved.unanswered != b""
        assert counted() == [1, 1]
        session.run("stepi")
        session.run("goto end")
        assert counted() == [6, 6]
        session.run("goto start")
        assert counted() == []
