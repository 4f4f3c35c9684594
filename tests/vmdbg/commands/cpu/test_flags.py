"""flags."""

from __future__ import annotations

from vmdbg.session.session import Session


def test_every_bit_is_explained(session: Session) -> None:
    shown = session.execute("flags cr0")
    assert "31  PG  1  paging" in " ".join(shown.split("\n")).replace("    ", "  ")
    assert "supervisor obeys read-only pages" in shown


def test_a_value_can_be_given(session: Session) -> None:
    assert session.execute("flags rflags 0x3000").startswith("rflags = 0x3000")
    assert "13:12  IOPL  3" in session.execute("flags rflags 0x3000")


def test_reserved_bits_are_named(session: Session) -> None:
    assert "a reserved bit is set" in session.execute("flags cr0 1<<40")


def test_registers_without_fields_say_so(session: Session) -> None:
    assert "has no fields" in session.execute("flags rax")
