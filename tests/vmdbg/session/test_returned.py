"""What a function has returned, by its type."""

from __future__ import annotations

import pytest

from tests.vmdbg.os.compiled_types import base_btf
from vmdbg.os.linux.type_lookup import Types
from vmdbg.session.returned import returned_value
from vmdbg.session.session import Session

LOW, HIGH = 0x1122_3344_5566_7788, 0x99AA_BBCC_DDEE_FF00


@pytest.fixture
def types(live: Session) -> Types:
    live.run("tbreak deposit")
    live.run("continue")
    live.debugger.write_register("rax", LOW)
    live.debugger.write_register("rdx", HIGH)
    return Types(base_btf())


def test_numbers_are_in_rax_as_wide_as_their_type(live: Session, types: Types) -> None:
    for spelling, number in (("unsigned long", LOW), ("int", 0x5566_7788), ("char", -0x78)):
        found = returned_value(live, types.find(spelling))
        assert found is not None
        assert int(found) == number


def test_a_struct_of_two_words_is_in_two_registers(live: Session, types: Types) -> None:
    found = returned_value(live, types.find("struct point"))
    assert found is not None
    assert [int(found.member_(name)) for name, _ in found.type_.fields] == [0x5566_7788, 0x1122_3344]


def test_a_larger_one_is_where_rax_points(live: Session, types: Types) -> None:
    found = returned_value(live, types.find("struct thing"))
    assert found is not None
    assert found.type_.size > 16
    assert found.address_ == LOW


def test_nothing_is_said_of_nothing(live: Session, types: Types) -> None:
    assert returned_value(live, types.find("void")) is None
