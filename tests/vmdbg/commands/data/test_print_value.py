"""print."""

from __future__ import annotations

import json

import pytest

from vmdbg.session.session import Session


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("p 1 + 1", "2"),
        ("p 0x10 * 2", "0x20 = 32"),
        ("p/x 255", "0xff"),
        ("p/d 0xffffffff", "-1"),
        ("p/t 5", "101"),
        ("p/o 8", "010"),
        ("p/c 65", "65 'A'"),
        ("p -100", "-0x64 = -100"),
        ("p cr0.PG and rflags.IF", "1"),
        ("p [u for u in (1, 2) if u > 1]", "[2]"),
        ("p 'text'", "'text'"),
        ('p "cpl {cpl} {255:x}"', "cpl 0 ff"),
        ("p b'ab'", "61 62  b'ab'"),
        ("p 1 if rax else 2", "1"),
    ],
)
def test_values(session: Session, line: str, answer: str) -> None:
    assert session.execute(line).strip() == answer


def test_pointers_have_their_symbols(session: Session) -> None:
    assert "<deposit>" in session.execute("p rip")
    assert "<deposit+0x4>" in session.execute("p/a rip + 4")


def test_segment_and_offset(session: Session, real_mode: Session) -> None:
    assert session.execute("p cs:rip") == session.execute("p rip")
    assert real_mode.execute("p 0x7c0:0x10").split()[0] == "0x7c10"
    assert "is a physical address" in session.execute("p phys:0x1000")


def test_values_are_kept(session: Session) -> None:
    session.run("p 41")
    session.run("p answer = _ + 1")
    assert session.execute("p answer") == "0x2a = 42\n"
    assert "rax is a register" in session.execute("p rax = 1")


def test_json(session: Session) -> None:
    assert json.loads(session.execute("p --json rip")) == {"value": f"{session.debugger.pc:#x}"}


def test_instructions_and_text_through_x(session: Session) -> None:
    assert "push   rbp" in session.execute("p/i rip")


@pytest.mark.parametrize(
    "line",
    [
        "p",
        "p __import__('os').system('id')",
        "p (1).__class__",
        "p open('/etc/passwd')",
        "p lambda: 1",
        "p 9**9**9**9",
        "p 'ab' * 10**9",
        "p 1 << 10**9",
        "p [x for x in range(10**12)]",
        "p mem[0, 1 << 40]",
        "p rax.nothing",
        "p nothing",
        "p (yield)",
        "p (x := 1)",
        "p 1 / 0",
        "p 'abc' + 1",
        "p f'{rax}'",
    ],
)
def test_what_cannot_be_done_is_an_error(session: Session, line: str) -> None:
    answer = session.execute(line)
    assert answer.startswith("error: ")
    assert "defect" not in answer
