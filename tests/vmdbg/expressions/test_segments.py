"""The bases of segments by their selectors."""

from __future__ import annotations

import pytest

from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.segments import segment_base
from vmdbg.session.session import Session


def base(session: Session, selector: int) -> int:
    return segment_base(session.registers, session.debugger.linear(), selector)


def test_real_mode_shifts(real_mode: Session) -> None:
    assert base(real_mode, 0xF000) == 0xF0000
    assert base(real_mode, 0) == 0
    with pytest.raises(ExpressionError, match="16 bits"):
        base(real_mode, 0x10000)


def test_long_mode_has_none_but_for_selectors_of_its_table(session: Session) -> None:
    assert base(session, session.registers.read("cs")) == 0
    for selector in (0, 3, session.registers.read("gdtr_limit") + 1 | 7):
        with pytest.raises(ExpressionError, match="names no"):
            base(session, selector)
    with pytest.raises(ExpressionError, match="names no segment"):
        base(session, session.registers.read("tr"))
