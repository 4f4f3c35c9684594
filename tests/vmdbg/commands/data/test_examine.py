"""x."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_words_in_hexadecimal(session: Session) -> None:
    shown = session.execute("x/2xg rsp")
    assert f"{session.evaluate('u64(rsp)'):#018x}" in shown
    found = json.loads(session.execute("x/2xg --json rsp"))
    assert found["values"][0] == f"{session.evaluate('u64(rsp)'):#x}"


def test_formats(session: Session) -> None:
    text = session.symbols.find("deposit")
    assert session.execute("x/i deposit").split()[:2] == [f"{text:#x}", "<deposit>"]
    assert session.execute("x/2xb deposit").split()[-2:] == ["0x55", "0x48"]
    assert session.execute("x/1tb deposit").split()[-1] == "1010101"
    assert "teller_main" in session.execute("x/a rsp")
    assert session.execute("x/c deposit").strip().endswith("85 'U'")


def test_text(session: Session) -> None:
    found = session.run('search --text "guestbook: %s" --limit 1').blocks[0]
    address = found.rows[0][0]  # type: ignore[union-attr]  # a table
    assert "'guestbook: %s" in session.execute(f"x/s {address}")


def test_it_goes_on_where_it_ended(session: Session) -> None:
    session.run("x/2xg rsp")
    assert session.execute("x").startswith(f"{session.registers.read('rsp') + 16:#x}")


def test_physical(session: Session) -> None:
    assert "0x1badb002" in session.execute("x/xw phys:0x100000")
    assert "0x1badb002" in session.execute("x/xw -p 0x100000")


def test_what_is_wrong(session: Session) -> None:
    assert "cannot access linear 0x0" in session.execute("x 0")
    assert "there is no format letter 'q'" in session.execute("x/q rsp")
    assert "the count must be" in session.execute("x/999999999x rsp")


def test_memory_is_shown_as_far_as_it_goes(session: Session) -> None:
    shown = session.execute("x/20xg rsp").splitlines()
    assert len(shown) == 5
    assert shown[-1] == "0xffffffffc0020000: there is no more memory to read"
    assert "cannot access" in session.execute("x/4xg 0xffffffffc0020000")


def test_xp_is_physical(session: Session) -> None:
    assert session.execute("xp/4xw 0x1000") == session.execute("x/4xw phys:0x1000")


def test_instructions_without_an_address_are_those_at_the_pc(session: Session) -> None:
    assert session.execute("x/3i") == session.execute("x/3i rip")
    assert session.execute("x/3i") != session.execute("x/3i rip")
