"""Memory as expressions index it, and what is a number."""

from __future__ import annotations

import pytest

from vmdbg.c.extent import Extent, Sort
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.values import MAX_READ, Located, MemoryView, describe, whole

MEMORY = bytes(range(64))
READS: list[tuple[int, int]] = []


def read(address: int, size: int) -> bytes:
    READS.append((address, size))
    return MEMORY[address : address + size]


VIEW = MemoryView(read, lambda: 4, "mem")


def test_forms_of_an_index() -> None:
    assert VIEW[1] == 0x04030201, "a word of the CPU's"
    assert VIEW[1, 2] == 0x0201
    assert VIEW[2:5] == b"\x02\x03\x04"
    assert VIEW[5:5] == b""


def test_addresses_wrap_at_64_bits() -> None:
    READS.clear()
    VIEW[-16, 1]
    assert READS == [((1 << 64) - 16, 1)]


@pytest.mark.parametrize("index", [slice(1, None), slice(None, 4), slice(0, 8, 2), slice(4, 0), (0, MAX_READ + 1)])
def test_what_is_no_piece_of_memory_is_refused_unread(index: object) -> None:
    READS.clear()
    with pytest.raises(ExpressionError):
        VIEW[index]  # type: ignore[index]  # what a user may write
    assert READS == []


def test_a_number_that_was_read_knows_where_and_is_a_number() -> None:
    number = Located.of(7, 0x1000, 2)
    assert number.extent_() == Extent(Sort.NUMBER, 0x1000, 2)
    assert (number + 1, type(number + 1)) == (8, int)
    assert whole(number) == 7


@pytest.mark.parametrize(
    ("value", "what"), [("a", "text"), (b"a", "a string of bytes"), (1.5, "a fraction"), ([], "a list")]
)
def test_what_is_no_integer_is_named(value: object, what: str) -> None:
    assert describe(value) == what
    with pytest.raises(ExpressionError, match=f"{what} is no integer"):
        whole(value)  # type: ignore[arg-type]  # what an expression may have
    assert whole(True) == 1
