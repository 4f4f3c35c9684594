"""registers."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def test_summary_has_mode_registers_and_set_flags(session: Session) -> None:
    shown = session.execute("registers")
    assert shown.startswith("64-bit mode, ring 0, tick ")
    assert f"rsp {session.registers.read('rsp'):#018x}" in shown
    assert "PG WP ET MP PE" in shown
    assert "64-bit code, execute/read" in shown


def test_parts_and_groups_by_name(session: Session) -> None:
    rax = session.registers.read("rax")
    assert session.execute("registers eax ah").split() == [
        "eax",
        f"{rax & 0xFFFFFFFF:#010x}",
        "ah",
        f"{rax >> 8 & 255:#04x}",
    ]
    assert "cr3" in session.execute("info registers control")


def test_json_has_every_general_register_as_text(session: Session) -> None:
    found = json.loads(session.execute("registers --json"))
    assert found["rip"] == f"{session.debugger.pc:#x}"
    assert {"rax", "r15", "cs", "cr0", "efer"} <= found.keys()


def test_sixteen_and_thirty_two_bit_code_shows_short_names(real_mode: Session) -> None:
    shown = real_mode.execute("registers")
    assert shown.startswith("real mode, ring 0")
    assert "eax 0x" in shown
    assert "r15" not in shown


def test_an_unknown_name_is_refused(session: Session) -> None:
    assert "no register or group 'rqx'" in session.execute("registers rqx")
