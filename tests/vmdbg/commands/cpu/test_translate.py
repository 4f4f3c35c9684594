"""translate."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_there_and_back(session: Session) -> None:
    found = json.loads(session.execute("translate rip --json"))
    back = session.execute(f"translate phys:{found['physical']}")
    assert f"{session.debugger.pc:#x}" in back


def test_segment_and_offset(real_mode: Session) -> None:
    assert "linear 0x12345" in real_mode.execute("translate 0x1234:5")


def test_unmapped_says_where_to_look(session: Session) -> None:
    assert "pagewalk 0x1000 tells why" in session.execute("translate 0x1000")
