"""What names mean, and in which order they are looked for."""

from __future__ import annotations

import pytest

from vmdbg.errors import VmdbgError
from vmdbg.expressions.errors import ExpressionError
from vmdbg.session.session import Session


def value(session: Session, name: str) -> object:
    found = session.scope.lookup(name)
    assert found is not None
    return found()


def test_variables_hide_registers_and_registers_hide_symbols(session: Session) -> None:
    assert value(session, "deposit") == session.symbols.find("deposit")
    assert value(session, "rax") == session.registers.read("rax")
    session.scope.variables["rax"] = 7
    assert value(session, "rax") == 7
    assert session.scope.lookup("nothing_of_that_name") is None


def test_a_variable_that_is_gone_is_an_error_and_no_register(session: Session) -> None:
    session.scope.variables["mine"] = 1
    read = session.scope.lookup("mine")
    assert read is not None
    del session.scope.variables["mine"]
    with pytest.raises(ExpressionError, match="'mine' is gone"):
        read()


def test_functions_read_memory_by_width_and_sign(session: Session) -> None:
    at = session.registers.read("rsp")
    raw = session.debugger.linear().read(at, 8)  # type: ignore[arg-type]  # Linear
    for size in (1, 2, 4, 8):
        unsigned, signed = session.scope.functions[f"u{8 * size}"], session.scope.functions[f"i{8 * size}"]
        assert unsigned(at) == int.from_bytes(raw[:size], "little")
        assert signed(at) == int.from_bytes(raw[:size], "little", signed=True)


def test_text_ends_at_its_zero_byte_and_at_what_is_asked_for(session: Session) -> None:
    string = session.scope.functions["string"]
    place = session.integer("linear_pc")
    whole = session.debugger.linear().read(place, 64).split(b"\0")[0].decode("utf-8", "replace")  # type: ignore[arg-type]  # Linear
    assert string(place) == whole or string(place).startswith(whole)
    assert len(string(place, 2)) <= 2
    with pytest.raises(VmdbgError):
        string(0x7777_0000_0000)


def test_a_range_is_no_longer_than_what_can_be_shown(session: Session) -> None:
    assert list(session.scope.functions["range"](2, 5)) == [2, 3, 4]
    with pytest.raises(ExpressionError, match="too long"):
        session.scope.functions["range"](1 << 40)


def test_every_name_that_is_offered_can_be_looked_up(session: Session) -> None:
    unknown = [name for name in session.scope.names() if name not in session.scope.functions]
    assert [name for name in unknown if session.scope.lookup(name) is None] == []
