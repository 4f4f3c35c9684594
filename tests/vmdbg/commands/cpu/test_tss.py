"""tss."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_stacks_of_the_current_task(session: Session) -> None:
    found = json.loads(session.execute("tss --json"))
    base = session.registers.read("tr_base")
    assert found["stack of ring 0"] == f"{session.evaluate(f'u64({base} + 4)'):#x}"
    assert found["IST1"] != "0x0"


def test_no_tss_in_real_mode(real_mode: Session) -> None:
    assert "no task-state segment" in real_mode.execute("tss")
