"""C's integer types, held to Python's own arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.expressions.basic_types import SIZES, Basic, BasicPointer, basic_cast, basic_type
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.values import MemoryView

MEMORY = bytes(range(0xF0, 0x100)) + bytes(240)


def read(address: int, size: int) -> bytes:
    return (MEMORY + MEMORY)[address : address + size]


VIEW = MemoryView(read, lambda: 8, "mem")


@pytest.mark.parametrize(
    ("spelling", "meant"),
    [
        ("int", Basic(4, True, 0)),
        ("unsigned long", Basic(8, False, 0)),
        ("unsigned", Basic(4, False, 0)),
        ("u16 *", Basic(2, False, 1)),
        (" char * *", Basic(1, True, 2)),
        ("struct file *", None),
        ("intx", None),
        ("", None),
    ],
)
def test_spellings(spelling: str, meant: Basic | None) -> None:
    assert basic_type(spelling) == meant


@given(st.sampled_from(sorted(SIZES)), st.integers(-(1 << 70), 1 << 70))
def test_a_cast_keeps_the_lowest_bytes_and_reads_their_sign(name: str, number: int) -> None:
    type_ = basic_type(name)
    assert type_ is not None
    made = basic_cast(VIEW, type_, number)
    assert (int(made) - number) % (1 << 8 * type_.size) == 0
    low = -(1 << 8 * type_.size - 1) if type_.signed else 0
    assert low <= int(made) < low + (1 << 8 * type_.size)


def test_a_pointer_steps_by_what_it_points_to_and_remembers_where_it_read() -> None:
    pointer = basic_cast(VIEW, Basic(2, False, 1), 4)
    assert isinstance(pointer, BasicPointer)
    assert [pointer[index] for index in (-1, 0, 1)] == [0xF3F2, 0xF5F4, 0xF7F6]
    assert pointer[1].extent_().address == 6  # type: ignore[union-attr]  # a Located
    twice = basic_cast(VIEW, Basic(1, False, 2), 16)
    assert isinstance(twice, BasicPointer)
    inner = twice[0]
    assert isinstance(inner, BasicPointer)
    assert (inner.address, inner.place, inner.pointer_().address) == (0, 16, 16)
    assert inner[3] == 0xF3


def test_what_is_computed_is_nowhere_and_what_is_no_struct_has_no_members() -> None:
    pointer = BasicPointer(VIEW, 8, Basic(4, True, 1))
    with pytest.raises(ExpressionError, match="nowhere in memory"):
        pointer.pointer_()
    with pytest.raises(ExpressionError, match="no member 'x'"):
        pointer.member_("x")
    assert str(pointer) == "(int32_t *)0x8"
