"""last-write."""

from __future__ import annotations

import json

from tests.vmdbg.conftest import open_session
from tests.vmdbg.debugger.programs import program, run_to
from vmdbg.session.session import Session


def test_the_call_wrote_the_return_address(session: Session) -> None:
    before = session.debugger.position
    found = json.loads(session.execute("last-write rsp --json"))
    assert found["instruction"].startswith("call ")
    assert "teller_main" in found["by"]
    assert session.debugger.position == before


def test_going_there(session: Session) -> None:
    session.run("last-write rsp --go")
    assert "teller_main" in session.describe(session.debugger.pc)


def test_nothing_wrote(session: Session) -> None:
    assert "nothing wrote there" in session.execute("last-write deposit")
    assert not session.debugger.points.watchpoints


def test_what_was_written_is_told(session: Session) -> None:
    """A call writes its return address; before it there was another value."""
    back = session.integer("mem[rsp]")
    wrote = json.loads(session.execute("last-write rsp --json"))["wrote"]
    assert wrote.startswith(f"8 bytes at {session.integer('rsp'):#x}: {back:#x}, 0x")
    assert wrote.endswith(" before")


ACROSS_PAGES = """
    map_window 0, TEST_PAGES | P | W
    map_window 1, (TEST_PAGES + 5000h) | P | W
    mov rbx, WINDOW + 0ffdh
    mov rax, 1122334455667788h
    mov [rbx], rax
    inc qword [rbx]
    xchg [rbx - 8], rax
    enter 8, 1
end:
    hlt
"""


def test_what_was_written_across_pages_is_one_value_and_all_that_one_instruction_wrote_is_told() -> None:
    with program(ACROSS_PAGES, "end") as (debugger, at, _):
        run_to(debugger, at["end"])
        session = open_session(debugger)
        window = 0x40000FFD
        found = json.loads(session.execute(f"last-write {window:#x} 8 --json"))
        assert found["instruction"].startswith("inc ")
        assert found["wrote"] == f"8 bytes at {window:#x}: 0x1122334455667789, 0x1122334455667788 before"
        found = json.loads(session.execute("last-write rbp-8 16 --json"))
        assert found["instruction"].startswith("enter ")
        assert found["wrote"].count("8 bytes at ") == 2
