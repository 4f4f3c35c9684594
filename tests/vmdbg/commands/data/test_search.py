"""search."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_text_bytes_numbers(session: Session) -> None:
    rows = json.loads(session.execute('search --text "guestbook: %s" --json'))
    assert rows[0]["text"].startswith("guestbook: %s")
    assert json.loads(session.execute("search --hex 0f05 --json"))
    assert "0x00100000" in session.execute("search 0x1badb002 --size 4 --physical")


def test_pointers_to_a_function(session: Session) -> None:
    rows = json.loads(session.execute("search teller_main --pointers --size 0x80 --json"))
    assert f"{session.registers.read('rsp'):#x}" in [row["address"] for row in rows]


def test_nothing_and_nonsense(session: Session) -> None:
    assert session.execute('search --text "nobody wrote this"') == "not found\n"
    assert "is no sequence of bytes" in session.execute("search --hex xyz")
    assert "nothing to find" in session.execute('search --text ""')
    assert "there are more" in session.execute("search --hex 00 --limit 2")
