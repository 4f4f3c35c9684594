"""phys and who-maps."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_dump_of_physical_memory(session: Session) -> None:
    found = json.loads(session.execute("phys 0x100000 16 --json"))
    assert bytes.fromhex(found["bytes"])[:4] == (0x1BADB002).to_bytes(4, "little")


def test_beyond_memory(session: Session) -> None:
    assert "no memory at physical" in session.execute("phys 1<<40")
    assert "cannot be dumped at once" in session.execute("phys 0 0")


def test_who_maps_the_page_of_the_code(session: Session) -> None:
    rows = json.loads(session.execute("who-maps translate(rip) --json"))
    assert f"{session.debugger.pc:#x}" in [row["linear"] for row in rows]


def test_nobody_maps(session: Session) -> None:
    assert "nothing maps" in session.execute("who-maps 0xfffff000000")
