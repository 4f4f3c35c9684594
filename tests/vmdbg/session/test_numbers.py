"""Numbers as arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.session.numbers import fitting, how_many, natural, port


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "9" * 40])
def test_how_many_is_one_at_least(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        how_many(text)


def test_numbers_may_be_written_as_in_c() -> None:
    assert how_many("0x10") == 16
    assert natural("0") == 0


@given(st.integers(-(1 << 70), 1 << 70), st.sampled_from([8, 16, 32, 64]))
def test_what_fits_is_kept_modulo_its_width_and_the_rest_refused(number: int, bits: int) -> None:
    if -(1 << bits - 1) <= number < 1 << bits:
        assert fitting(number, bits, "x") == number & (1 << bits) - 1
    else:
        with pytest.raises(UserError, match=f"does not fit in {bits} bits"):
            fitting(number, bits, "x")


def test_a_port_has_16_bits() -> None:
    assert port(0xFFFF) == 0xFFFF
    with pytest.raises(UserError, match="the last is 0xffff"):
        port(0x10000)
