"""Places as users name them."""

from __future__ import annotations

import pytest

from vmdbg.errors import UserError
from vmdbg.session.session import Session


@pytest.mark.parametrize(
    "text", ["deposit", "*deposit", "cs:deposit", "$cs:$rip", "bank.c:62", "samples/kernel/bank.c:62", "rip"]
)
def test_one_place_by_many_names(session: Session, text: str) -> None:
    place = session.place(text)
    assert (place.address, place.is_physical) == (session.debugger.pc, False)


def test_physical(session: Session) -> None:
    assert session.place("phys:0x1000").is_physical
    assert session.place("0x1000", physical=True) == session.place("physical:0x1000")


def test_segments_by_selector(session: Session) -> None:
    assert session.place("0x10:0x1234").address == 0x1234
    with pytest.raises(UserError, match="names no descriptor"):
        session.place("0:0x1234")
    with pytest.raises(UserError, match="is no selector"):
        session.place("0x12345:0")


def test_lines_without_code(session: Session) -> None:
    with pytest.raises(UserError, match="no code is known for line 9999"):
        session.place("bank.c:9999")
