"""search."""

from __future__ import annotations

import json
import random

import pytest

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
    assert session.execute('search "nobody wrote this"') == "not found\n"
    assert session.execute('search "guestbook: %s"') == session.execute("search --text 'guestbook: %s'")
    assert session.execute('search "guestbook" teller_main --limit 1') != "not found\n", "a place is one still"
    assert session.execute("search 'rip + 0' --size 4") == session.execute("search rip --size 4"), "no text"
    assert session.execute('search --text "nobody wrote this"') == "not found\n"
    assert "is no sequence of bytes" in session.execute("search --hex xyz")
    assert "nothing to find" in session.execute('search --text ""')
    assert "there are more" in session.execute("search --hex 00 --limit 2")


def test_pointers_into_a_range_are_those_that_reading_all_of_ram_finds(session: Session) -> None:
    ram = bytes(session.debugger.engine.ram)
    words = [int.from_bytes(ram[at : at + 8], "little") for at in range(0, len(ram), 8)]
    chance, found = random.Random(5), 0
    for _ in range(8):
        target = chance.choice([word for word in chance.sample(words, 4000) if word] or [1])
        size = min(chance.choice((1, 7, 64, 0x1000)), (1 << 64) - target)
        expected = [8 * at for at, word in enumerate(words) if target <= word < target + size]
        answer = session.execute(f"search {target:#x} --pointers --size {size} --physical --limit 100000 --json")
        if "too many" not in answer:
            assert [int(row["address"], 16) for row in json.loads(answer)] == expected, hex(target)
            found += len(expected)
    assert found


@pytest.mark.parametrize("size", ["2", "0", "-1", "1 << 70"])
def test_a_range_that_no_address_space_has_is_refused(session: Session, size: str) -> None:
    for line in (f"search 0xffffffffffffffff --pointers --size '{size}'", f"search 5 --size '{size}' --limit 1"):
        answer = session.execute(line)
        assert "defect" not in answer
        assert "--pointers" not in line or "is no number of bytes from" in answer
