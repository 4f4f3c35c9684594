"""Instructions as lines, before and after an address."""

from __future__ import annotations

import itertools

import pytest

from vmdbg.session.code_lines import code_lines, lines_before
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError


def test_lines_follow_each_other_without_a_gap(session: Session) -> None:
    start = session.integer("deposit")
    lines = list(code_lines(session, start, 8))
    assert lines[0].instruction.address == start
    for line, after in itertools.pairwise(lines):
        assert line.end == after.instruction.address == line.instruction.address + line.instruction.length
    assert "<deposit>" in str(lines[0].text)


def test_lines_before_end_where_they_should_and_are_those_of_the_function(session: Session) -> None:
    forward = list(code_lines(session, session.integer("deposit"), 12))
    for number in range(3, 12):
        before = lines_before(session, forward[number].instruction.address, 3)
        assert [line.instruction for line in before] == [line.instruction for line in forward[number - 3 : number]]


def test_lines_before_are_those_that_can_be_read_where_nothing_is_mapped_farther_down(session: Session) -> None:
    start = session.integer("0xffffffff80000000")
    assert session.debugger.linear().translate(Linear(start - 1)) is None
    lines = lines_before(session, start + 24, 3)
    assert lines
    assert lines[0].instruction.address >= start
    assert lines[-1].end == start + 24


def test_code_that_cannot_be_read_is_an_error_and_not_an_empty_list(real_mode: Session) -> None:
    with pytest.raises(UnmappedLinearError):
        list(code_lines(real_mode, 0xC000_0000, 1))


def test_bytes_are_shown_when_asked_for(session: Session) -> None:
    (line,) = code_lines(session, session.integer("deposit"), 1, show_bytes=True)
    assert line.instruction.raw[:4].hex(" ") in str(line.text)
