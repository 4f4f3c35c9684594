"""msr."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_by_name_number_and_field(session: Session) -> None:
    [row] = json.loads(session.execute("msr IA32_LSTAR --json"))
    assert row["means"] == "syscall_entry"
    assert json.loads(session.execute("msr 0xc0000082 --json")) == [row]
    assert "NXE LMA LME SCE" in session.execute("msr efer")
    assert "no MSR 'nothing'" in session.execute("msr nothing")
