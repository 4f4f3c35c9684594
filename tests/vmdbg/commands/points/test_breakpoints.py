"""break, tbreak and what can be done to points."""

from __future__ import annotations

import json

from vmdbg.session.session import Session


def numbers(session: Session) -> list[int]:
    return [row["number"] for row in json.loads(session.execute("points --json"))]


def test_by_symbol_address_line_and_physical(session: Session) -> None:
    pc = session.debugger.pc
    for place in (
        "deposit",
        f"{pc:#x}",
        f"*{pc:#x}",
        "bank.c:62",
        "$rip",
        f"phys:{session.evaluate('translate(rip)')}",
    ):
        assert f" at {pc:#x}" in session.execute(f"break {place}") or "physical" in session.execute(f"break {place}")


def test_segment_and_offset(real_mode: Session) -> None:
    assert "at 0x7c05" in real_mode.execute("break 0:0x7c05")
    assert "at 0x7c05" in real_mode.execute("break 0x7c0:5")


def test_a_physical_breakpoint_stops(session: Session) -> None:
    session.run("break phys:translate(mutex_lock)")
    assert "physical breakpoint" in session.execute("continue")
    assert session.describe(session.debugger.pc) == "mutex_lock"


def test_condition_ring_and_address_space(session: Session) -> None:
    session.run("break mutex_lock if rdi == 1 --ring 0")
    session.run("break mutex_lock --ring 3")
    session.run("break mutex_lock --cr3 0x5000")
    assert "the recording ends" in session.execute("continue")
    session.run("goto start")
    session.run("delete all")
    session.run("break mutex_lock --ring 0 --cr3 cr3 if rdi > 1")
    assert "recording ends" in session.execute("continue") or "mutex_lock" in session.describe(session.debugger.pc)


def test_a_condition_without_a_value_stops_and_says_why(session: Session) -> None:
    session.run("break mutex_lock if u8(0) == 1")
    session.run("continue")
    assert "has no value here" in session.notices[0]
    session.notices.clear()


def test_temporary_goes_when_it_stops(session: Session) -> None:
    session.run("tbreak mutex_lock")
    session.run("continue")
    assert numbers(session) == []


def test_ignore_and_condition_afterwards(session: Session) -> None:
    session.run("break mutex_lock --ignore 1")
    [number] = numbers(session)
    session.run(f"ignore {number} 2")
    session.run("continue")
    assert len(session.debugger.points.find(number).hits) == 3
    session.run(f"condition {number} rax == 12345")
    assert "if rax == 12345" in session.execute("points")
    session.run(f"condition {number}")
    assert "stops always" in session.execute(f"condition {number}")


def test_commands_run_at_each_stop_and_may_continue(session: Session) -> None:
    session.run('break mutex_lock --commands "p rdi"')
    [number] = numbers(session)
    assert "0x" in session.execute("continue").splitlines()[-1]
    session.run(f'commands {number} "p 12345" "continue"')
    shown = session.execute("continue")
    assert shown.count("0x3039 = 12,345") > 3
    assert "the recording ends here" in shown


def test_disable_enable_delete_by_range(session: Session) -> None:
    for _ in range(3):
        session.run("break mutex_lock")
    first = numbers(session)[0]
    session.run(f"disable {first}-{first + 2}")
    assert "recording ends" in session.execute("continue")
    session.run("enable")
    session.run(f"delete {first} {first + 1}")
    assert numbers(session) == [first + 2]
    assert "there is no breakpoint or watchpoint 9999" in session.execute("delete 9999")
    assert "is no number" in session.execute("delete x")


def test_an_unknown_symbol_sets_nothing(session: Session) -> None:
    assert "there is no register, symbol or variable 'nowhere'" in session.execute("break nowhere")
    assert numbers(session) == []


def test_points_are_deleted_by_place_and_an_empty_list_says_so(session: Session) -> None:
    session.run("break deposit")
    session.run("break deposit+4")
    assert session.execute("clear deposit") == "1 deleted\n"
    assert "there is no breakpoint at" in session.execute("delete deposit")
    assert session.execute("bc *") == "1 deleted\n"
    assert session.execute("bl") == "no breakpoints and no watchpoints\n"
    assert session.run("bl").value == []
