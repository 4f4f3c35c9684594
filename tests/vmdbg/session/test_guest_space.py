"""Memory and registers as debug information asks for them."""

from __future__ import annotations

import pytest

from vmdbg.session.guest_space import CpuRegisters, GuestSpace
from vmdbg.session.session import Session
from vmdbg.x86.linear_memory import UnmappedLinearError


def test_registers_are_read_when_they_are_asked_for(session: Session) -> None:
    registers = CpuRegisters(session)
    before = registers["rip"]
    session.run("stepi")
    assert registers["rip"] == session.debugger.pc != before
    assert {"rax", "rip", "xmm0"} <= set(registers)
    assert len(registers) == len(list(registers))
    with pytest.raises(KeyError):
        registers["nothing"]


def test_text_ends_at_its_zero_byte_or_where_memory_does(live: Session) -> None:
    space = GuestSpace(live)
    live.debugger.write_physical(0x9000, b"words\0more")  # type: ignore[arg-type]  # Physical
    assert space.string(0x9000) == "words"
    assert space.string(0x9000, 3) == "wor"
    assert space.read(0x9006, 4) == b"more"
    with pytest.raises(UnmappedLinearError):
        space.string(0xF000_0000)


def test_addresses_are_those_of_64_bits(session: Session) -> None:
    space = GuestSpace(session)
    place = session.debugger.pc
    assert space.read(place - (1 << 64), 4) == space.read(place, 4)
    assert space.describe(place) == "deposit"
