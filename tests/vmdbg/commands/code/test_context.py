"""context and display."""

from __future__ import annotations

import json
import re

import pytest

from vmdbg.commands.code.context import show
from vmdbg.commands.code.context_state import ContextState
from vmdbg.document.document import Section, Style, Text
from vmdbg.session.session import Session


def test_sections_in_the_order_asked(session: Session) -> None:
    shown = session.run("context stack code")
    assert [block.key for block in shown.blocks if isinstance(block, Section)] == ["stack", "code"]
    assert "no section 'nothing'" in session.execute("context nothing")


def test_changed_registers_are_marked(session: Session) -> None:
    session.run("context registers")
    session.run("stepi")
    [section] = session.run("context registers").blocks
    assert isinstance(section, Section)
    changed = [
        span.text
        for line in section.blocks
        if isinstance(line, Text)
        for span in line.spans
        if span.style is Style.CHANGED
    ]
    assert changed == [f"{session.registers.read('rsp'):016x}", f"{session.debugger.pc:016x}"]


def test_branches_and_memory_operands_are_foretold(session: Session) -> None:
    notes = set()
    for _ in range(40):
        session.run("stepi")
        shown = session.execute("context code")
        notes |= {note for note in ("not taken", "  taken", "] = ", "-> ") if note in shown}
    assert {"] = ", "-> "} <= notes
    assert notes & {"not taken", "  taken"}


def test_code_at_the_width_of_the_mode(real_mode: Session) -> None:
    shown = real_mode.execute("context")
    assert "eip 00007c00" in shown or "eip 0000" in shown
    assert "rax" not in shown


def test_a_pc_and_a_stack_that_lead_nowhere(live: Session) -> None:
    live.run("tbreak deposit")
    live.run("continue")
    live.run("set rsp = 0x10")
    live.run("set rip = 0x20")
    shown = live.execute("context")
    assert "cannot access linear 0x20" in shown
    assert "leads to no memory" in shown


def test_expressions_at_each_stop(session: Session) -> None:
    session.run("display rsp & 0xfff")
    session.run("display u8(0)")
    shown = session.execute("context watch")
    assert "rsp & 0xfff = " in shown
    assert "cannot access" in shown
    session.run("display --off")
    assert json.loads(session.execute("display --json")) == []
    assert "is no expression" in session.execute("display 1 +")


def test_chosen_sections_stay(session: Session) -> None:
    session.run("context --set code")
    assert session.part(ContextState).sections == ["code"]
    session.run("context --off")
    assert not session.part(ContextState).enabled


def test_display_has_formats_and_undisplay_takes_numbers(session: Session) -> None:
    assert "nothing is displayed" in session.execute("display")
    assert session.execute("display/d 5").strip() == "/d 5 = 5"
    assert "push   rbp" in session.execute("display/i rip")
    assert "push   rbp" in session.execute("context watch")
    assert "no format letter" in session.execute("display/q 5")
    session.run("display rax")
    session.run("undisplay 2")
    assert "push" not in session.execute("display")
    session.run("undisplay 5")
    assert session.run("display").value == ["rax"]
    assert "is not displayed" in session.execute("undisplay rbx")
    assert "1 no longer" in session.execute("undisplay")


def test_what_does_not_fit_beside_an_instruction_is_below_it(session: Session) -> None:
    def lines(columns: int) -> list[str]:
        session.columns = columns
        shown = session.execute("context code").splitlines()
        session.columns = 100
        return shown

    for _ in range(100):
        session.run("stepi")
        (current,) = [line for line in lines(200) if "=> " in line]
        if "] = " in current:
            break
    instruction, _, note = current.partition("  [")
    narrow = lines(len(instruction) + 4)
    assert any(line.strip() == f"[{note}" for line in narrow)
    assert instruction in narrow


def test_on_a_narrow_terminal_registers_are_in_more_rows_and_instructions_go_before_symbols(session: Session) -> None:
    session.run("goto hit:deposit")
    session.columns = 40
    registers, code = (session.execute(f"context {name}").splitlines() for name in ("registers", "code"))
    session.columns = 100
    rows = [line for line in registers if re.match(r" *r?[a-z0-9]{2} [0-9a-f]{16}$", line)]
    assert len(rows) == 16
    assert any(re.fullmatch(r"  => 0x[0-9a-f]{16}  push   rbp", line) for line in code)


@pytest.mark.parametrize("rows", [24, 30, 40, 60, 100])
@pytest.mark.parametrize("columns", [80, 100])
def test_the_panel_fits_the_terminal(session: Session, rows: int, columns: int) -> None:
    session.columns = columns
    try:
        session.run("display rax")
        for _ in range(6):
            shown = show(session, session.part(ContextState).sections, rows)
            assert sum(1 + len(one.blocks) for one in shown.blocks if isinstance(one, Section)) <= rows - 5
            keys = [one.key for one in shown.blocks if isinstance(one, Section)]
            assert keys[:2] == ["registers", "code"]
            assert "watch" in keys
            session.run("stepi 7")
        whole = show(session, ["registers", "code", "source", "stack", "backtrace"])
        assert [len(one.blocks) for one in whole.blocks if isinstance(one, Section)][3] == 8
    finally:
        session.columns = 100
