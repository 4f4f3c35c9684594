"""What makes a breakpoint stop."""

from __future__ import annotations

from argparse import Namespace

import pytest

from tests.vmdbg.session.other_system import OtherDetector, use
from vmdbg.commands.points.conditions import expression_test, make_condition, process_test
from vmdbg.errors import UserError
from vmdbg.session.session import Session


def asked(**options: object) -> Namespace:
    return Namespace(**{"ring": None, "cpu": "", "cr3": "", "process": "", "condition": ""} | options)


def holds(session: Session, **options: object) -> tuple[bool | None, str]:
    condition, words = make_condition(session, asked(**options))
    return (condition(session.debugger) if condition is not None else None), words


def test_each_part_must_hold(session: Session) -> None:
    assert holds(session) == (None, "")
    assert holds(session, ring=0) == (True, "ring 0")
    assert holds(session, ring=3) == (False, "ring 3")
    space = session.registers.read("cr3") & ~0xFFF
    assert holds(session, cr3="cr3", ring=0) == (True, f"ring 0, cr3 {space:#x}")
    assert holds(session, cr3="cr3 + 4096", ring=0)[0] is False
    assert holds(session, cr3="cr3 + 1")[0] is True, "flags and PCID do not count"
    assert holds(session, condition="rip == deposit", ring=0) == (True, "ring 0, if rip == deposit")


def test_a_condition_without_a_value_stops_and_says_why(session: Session) -> None:
    session.notices.clear()
    assert expression_test(session, session.compile("u8(0x777700000000) == 1"))()
    (words,) = session.notices
    assert words.startswith("the condition 'u8(0x777700000000) == 1' has no value here: cannot access linear ")
    session.notices.clear()


def test_a_process_is_known_by_number_or_name(live: Session) -> None:
    told: list[str] = []
    live.tell = told.append
    with pytest.raises(UserError, match="no operating system"):
        process_test(live, "shell")
    use(live.system, OtherDetector())
    live.run("when")
    assert process_test(live, "7")()
    assert process_test(live, "shell-of-fifteen")()
    assert not process_test(live, "init")()
    assert told == []
    assert not process_test(live, "nobody")()
    assert told == ["no process is called nobody yet; it is waited for"]
