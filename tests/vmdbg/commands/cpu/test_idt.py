"""idt."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_gates_with_handlers_by_name(session: Session) -> None:
    rows = json.loads(session.execute("idt --json"))["rows"]
    fault = next(row for row in rows if row["name"] == "#PF")
    assert fault["symbol"] == "interrupt_entry_14"
    assert fault["what"] == "interrupt gate"
    assert next(row for row in rows if row["vector"] == "0x80")["dpl"] == 3


def test_one_vector_by_name_or_number(session: Session) -> None:
    assert session.execute("idt #pf") == session.execute("idt 14") == session.execute("idt 'page fault'")


def test_a_gate_that_leads_nowhere_is_a_problem(live: Session) -> None:
    live.run("tbreak deposit")
    live.run("continue")
    live.run("set mem[idtr_base + 14 * 16 + 2, 2] = 0x1234")
    assert "selector 0x1234 names no descriptor" in live.execute("idt 14")


def test_real_mode_has_none(real_mode: Session) -> None:
    assert "use ivt" in real_mode.execute("idt")


def test_no_vector(session: Session) -> None:
    assert "is no vector" in session.execute("idt 256")
