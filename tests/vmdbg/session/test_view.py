"""Places and values as a user writes them."""

from __future__ import annotations

import pytest

from vmdbg.debugger.points import Space
from vmdbg.errors import UserError
from vmdbg.session.session import Session


def test_a_bare_number_is_a_line_where_code_is_meant(session: Session) -> None:
    line = session.sources.line_at(session.debugger.pc)
    assert line is not None
    assert session.code_place(str(line.line)).address == session.integer("deposit")
    assert session.place("62").address == 62
    with pytest.raises(UserError, match=r"no code is known for line 99999 of .*; an address is written as 0x1869f"):
        session.code_place("99999")


def test_without_lines_a_number_is_an_address(real_mode: Session) -> None:
    assert real_mode.code_place("31744").address == 0x7C00


def test_linear_and_physical_are_not_taken_for_each_other(session: Session) -> None:
    with pytest.raises(UserError, match="a linear one is needed"):
        session.linear("phys:0x1000")
    assert session.physical("0x1000") == 0x1000
    assert session.place("0x1000", physical=True).space is Space.PHYSICAL
    with pytest.raises(UserError):
        session.physical("deposit")


def test_an_address_space_is_a_number_that_fits(session: Session) -> None:
    assert session.cr3("") is None
    assert session.cr3("cr3") == session.registers.read("cr3")
    with pytest.raises(UserError, match="does not fit"):
        session.cr3("1 << 64")


def test_stepping_lines_know_what_is_skipped(session: Session) -> None:
    deposit = session.integer("deposit")
    assert session.lines.enters(deposit)
    session.skips.patterns.append("deposit")
    assert not session.lines.enters(deposit)
    assert not session.lines.enters(1)
