"""bt."""

from __future__ import annotations

import json

import pytest

from tests.vmdbg.boot.builders import assemble
from tests.vmdbg.gdb.guests import guest
from vmdbg.commands import catalog
from vmdbg.session.registry import Effect
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


RECURSIVE = """
bits 32
org 0x100000
header: dd 0x1badb002, 1 << 16, -(0x1badb002 + (1 << 16))
        dd header, header, 0, end + 0x4000, start
start:  xor ebp, ebp
        mov ecx, {depth}
        call f
        hlt
f:      push ebp
        mov ebp, esp
        dec ecx
        jz .deepest
        call {next}
.deepest:
        nop
        pop ebp
        ret
g:      push ebp
        mov ebp, esp
        call f
        pop ebp
        ret
end:
"""


@pytest.mark.parametrize(("other", "period"), [("f", 1), ("g", 2)])
def test_recursion_is_shown_once(other: str, period: int) -> None:
    with guest(assemble(RECURSIVE.format(depth=60, next=other))) as made:
        session = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE)
        session.run("until 0x100038")
        every = session.execute("bt --all").splitlines()
        shown = session.execute("bt").splitlines()
        above = "the frame above" if period == 1 else "the 2 frames above"
        assert len(every) == 60 * period + 2 - period
        assert [line for line in shown if above in line and f"{60 - period} times more" in line]
        assert len(shown) <= 3 + 2 * period
        assert shown[-1].strip() == every[-1].strip()
        assert above in session.execute("context backtrace")
