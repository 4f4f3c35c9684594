"""AVX, AVX2, FMA, F16C, BMI1 and BMI2 against the CPU of this machine."""

from __future__ import annotations

from functools import partial

import pytest

from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.session import compare_seeds
from tests.conformance.vex import GROUP, GROUP_32, host_has_avx2, vex_batch

pytestmark = pytest.mark.skipif(not host_has_avx2(), reason="the oracle is a CPU with AVX2, FMA and BMI2")
SEEDS = range(1, 9)


def test_random_instructions_do_what_they_do_here(vector_host: HostCpu, vector_guest: GuestCpu) -> None:
    tally = compare_seeds(GROUP, vex_batch, 1, 40_000, vector_host, vector_guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


def test_random_instructions_of_32_bit_code_do_what_they_do_here(
    vector_host_32: HostCpu, vector_guest_32: GuestCpu
) -> None:
    """Where VEX names 8 registers, and W is ignored for general ones."""
    batches = partial(vex_batch, bits=32)
    tally = compare_seeds(GROUP_32, batches, 1, 24_000, vector_host_32, vector_guest_32)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.slow
def test_many_random_instructions_do_what_they_do_here(vector_host: HostCpu, vector_guest: GuestCpu) -> None:
    tally = compare_seeds(GROUP, vex_batch, 1000, 2_000_000, vector_host, vector_guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


def test_most_instructions_of_the_table_are_drawn() -> None:
    drawn = {instruction.mnemonic for seed in SEEDS for instruction in vex_batch(seed).instructions}
    assert len(drawn) > 300
