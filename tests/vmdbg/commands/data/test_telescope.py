"""telescope."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_the_stack_with_what_it_points_to(session: Session) -> None:
    shown = session.execute("telescope").splitlines()
    assert len(shown) == 8
    assert "rsp 0x" in shown[0]
    assert "<teller_main+0x" in shown[0]
    assert "rbp" in shown[3]


def test_chains_end_at_text(session: Session) -> None:
    found = session.run('search --text "guestbook: %s" --limit 1').blocks[0]
    place = found.rows[0][0]  # type: ignore[union-attr]  # a table
    session.run(f"p where = {place}")
    assert "cannot access" in session.execute("telescope 0")


def test_json(session: Session) -> None:
    found = json.loads(session.execute("telescope rsp 2 --json"))
    assert found[0]["address"] == f"{session.registers.read('rsp'):#x}"


def test_a_loop_of_pointers_ends(live: Session) -> None:
    live.run("tbreak deposit")
    live.run("continue")
    live.run("set mem[rsp] = rsp")
    assert "(again)" in live.execute("telescope rsp 1")


def test_registers_have_the_names_of_the_mode(session: Session, real_mode: Session) -> None:
    assert "+0000 rsp " in session.execute("telescope 1")
    real_mode.run("set ss_base = 0x100") if "ss_base" in real_mode.debugger.engine.register_names else None
    assert "+0000 sp " in real_mode.execute("telescope 1")
