"""bt."""

from __future__ import annotations

import json

from vmdbg.session.session import Session

CHAIN = ["deposit", "teller_main", "thread_main", "thread_start"]


def names(session: Session) -> list[str]:
    rows = json.loads(session.execute("bt --json"))
    return [row["where"].split()[0].partition("+")[0] for row in rows]


def test_through_a_whole_function(session: Session) -> None:
    """Before the frame is made, while it is, inside, and where it has gone."""
    for _ in range(12):
        assert [name for name in names(session) if name in CHAIN] == CHAIN
        session.run("nexti")


def test_lines_and_a_limit(session: Session) -> None:
    assert "bank.c:62" in session.execute("bt 1")
    assert len(session.execute("bt 2").splitlines()) == 2


def test_a_broken_chain_says_why(live: Session) -> None:
    live.run("tbreak deposit")
    live.run("continue")
    live.run("next")
    live.run("set rbp = 0x1234")
    assert "(ends here: rbp 0x1234 is no frame above" in live.execute("bt")


def test_no_operating_system_has_no_tasks(session: Session) -> None:
    assert "no operating system" in session.execute("bt --task 1")


def test_the_outermost_frames(session: Session) -> None:
    assert session.execute("bt -1") == session.execute("bt").splitlines(keepends=True)[-1]
    assert "balance = <optimized out>" in session.execute("bt full")
    assert "no number of frames" in session.execute("bt x")
