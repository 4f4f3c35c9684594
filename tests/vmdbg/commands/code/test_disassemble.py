"""disassemble."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_the_function_with_the_current_instruction_marked(session: Session) -> None:
    shown = session.execute("disassemble").splitlines()
    assert shown[0].startswith("=> ")
    assert shown[0].endswith("push   rbp")
    assert "mutex_lock" in "\n".join(shown)


def test_count_bytes_and_what_comes_before(session: Session) -> None:
    shown = session.execute("u rip 2 --bytes --before 1").splitlines()
    assert len(shown) == 3
    assert shown[0].endswith("ret")
    assert " 55 " in shown[1]


def test_other_widths(session: Session) -> None:
    assert "dec    eax" in session.execute("u rip+1 1 --width 32")


def test_sixteen_bit_code_at_its_width(real_mode: Session) -> None:
    first = json.loads(real_mode.execute("u rip 1 --json"))
    assert first["address"] == f"{real_mode.debugger.pc:#x}"
    assert "rax" not in real_mode.execute("u rip 10")


def test_unmapped(session: Session) -> None:
    assert "cannot access linear 0x0" in session.execute("u 0")


def test_up_to_an_address(session: Session) -> None:
    shown = session.execute("u rip --end rip+5").splitlines()
    assert [line.split(">")[-1].split()[0] for line in shown[1:]] == ["mov", "push"]
