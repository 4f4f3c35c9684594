"""gdt and ldt."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_entries_with_their_users(session: Session) -> None:
    rows = json.loads(session.execute("gdt --json"))["rows"]
    code = next(row for row in rows if row["selector"] == f"{session.registers.read('cs'):#x}")
    assert code["what"] == "64-bit code, execute/read"
    assert "cs" in code["used_by"]
    assert not any(row["problems"] for row in rows)


def test_one_selector(session: Session) -> None:
    assert session.execute("gdt tr").count("TSS") == 1
    assert "no entry 8191" in session.execute("gdt 0xfff8")


def test_damage_is_reported(live: Session) -> None:
    live.run("tbreak deposit")
    live.run("continue")
    live.run("set mem[gdtr_base + (cs & ~7) + 6, 1] = 0xff")
    assert "L and D are both set" in live.execute("gdt cs")


def test_no_ldt(session: Session) -> None:
    assert "LDTR is null" in session.execute("ldt")
    assert json.loads(session.execute("ldt --json"))["rows"] == []
