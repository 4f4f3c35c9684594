"""Objects of which only some bits are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.c.content import OPTIMIZED_OUT, Content, NotAvailableError


@given(st.binary(min_size=1, max_size=16), st.integers(0, 127), st.integers(1, 128))
def test_a_part_has_the_bits_that_were_there(data: bytes, start: int, size: int) -> None:
    bits = int.from_bytes(data, "little")
    whole = Content(bits, (1 << 8 * len(data)) - 1)
    part = whole.part(start, size)
    if start + size <= 8 * len(data):
        assert part.number(size) == bits >> start & (1 << size) - 1
    else:
        with pytest.raises(NotAvailableError):
            part.number(size)
    assert whole.read(len(data)) == data


def test_why_a_part_is_not_to_be_had_is_the_reason_of_that_part() -> None:
    whole = Content(0, 0xFFFF, reasons=((16, 32, "not saved"),))
    assert whole.part(0, 16).why == OPTIMIZED_OUT
    assert whole.part(16, 8).why == "not saved"
    assert whole.part(8, 16).reasons == ((8, 24, "not saved"),)
    with pytest.raises(NotAvailableError, match="not saved"):
        whole.part(16, 8).number(8)
    assert Content.nothing("in a register that is gone").why == "in a register that is gone"
