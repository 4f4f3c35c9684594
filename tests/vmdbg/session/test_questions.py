"""Conditions and counts of questions."""

from __future__ import annotations

import pytest

from vmdbg.errors import UserError
from vmdbg.queries.rows import ExecutionRow
from vmdbg.session.questions import condition, counted, default_count, function_at
from vmdbg.session.session import Session
from vmdbg.units import Linear


def test_a_condition_is_asked_where_the_guest_stands(session: Session) -> None:
    holds = condition(session, "rip == deposit")
    assert holds()
    session.run("stepi")
    assert not holds()
    assert not condition(session, "u8(0x777700000000) == 1")(), "what has no value does not hold"


def test_names_that_nobody_has_are_refused_before_anything_is_asked(session: Session) -> None:
    here = session.debugger.position
    with pytest.raises(UserError, match="the condition 'nothing_here == 1'"):
        condition(session, "nothing_here == 1")
    assert session.debugger.position == here


def test_functions_are_named_without_their_offsets(session: Session) -> None:
    deposit = session.integer("deposit")
    assert function_at(session, deposit) == function_at(session, deposit + 5) == "deposit"
    assert function_at(session, 1) == ""


def test_rows_are_counted_by_function(session: Session) -> None:
    here, deposit = session.debugger.position, session.integer("deposit")
    rows = [ExecutionRow(here, Linear(deposit + number), 0, 0) for number in (0, 1, 2)]
    (row,) = counted(session, rows, "cr3")
    assert row.count == 3
    assert default_count(rows) == default_count([]) == ""
    with pytest.raises(UserError):
        counted(session, rows, "nothing")
