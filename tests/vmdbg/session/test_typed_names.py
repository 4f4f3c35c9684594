"""Casts, types and objects in expressions, where no operating system tells of types."""

from __future__ import annotations

import pytest

from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session


def test_cs_integers_can_be_cast_to_anywhere(real_mode: Session) -> None:
    assert real_mode.evaluate("(unsigned char)0x1ff") == 0xFF
    assert real_mode.evaluate("cast('short', 0xffff)") == -1
    first = real_mode.debugger.physical.read(0x7C00, 2)  # type: ignore[arg-type]  # Physical
    assert real_mode.evaluate("*(unsigned short *)0x7c00") == int.from_bytes(first, "little")


def test_types_of_the_program_are_known_by_its_files(session: Session) -> None:
    size = session.integer("sizeof('struct account')")
    assert size > 0
    assert session.integer("offsetof('struct account', 'balance')") < size
    one = session.evaluate("object('struct account', 0x5000)")
    assert int(one.pointer_()) == 0x5000
    member = session.integer("offsetof('struct account', 'balance')") + 0x5000
    assert session.integer(f"address_of(container_of({member}, 'struct account', 'balance'))") == 0x5000


def test_a_number_is_no_struct(session: Session) -> None:
    with pytest.raises(VmdbgError, match=r"write \*\(struct account \*\)"):
        session.evaluate("cast('struct account', 5)")


def test_what_only_a_system_knows_says_that_none_is_known(session: Session) -> None:
    for expression in ("current()", "threads()", "per_cpu('x')", "lx_pid", "task(1)", "variable('jiffies')"):
        with pytest.raises(VmdbgError, match="no operating system"):
            session.evaluate(expression)
    with pytest.raises(VmdbgError, match="has no address"):
        session.evaluate("address_of('text')")
