"""where-was."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_it_looks_and_comes_back(session: Session) -> None:
    before = session.debugger.position
    found = json.loads(session.execute("where-was start --json"))
    assert "multiboot_entry" in found["at"]
    assert found["mode"] == "32-bit protected, ring 0"
    assert session.debugger.position == before
