"""Floating point of SSE, AVX, FMA and F16C against the CPU of this machine: results, MXCSR, and what it raises."""

from __future__ import annotations

from functools import partial

import pytest

from tests.conformance.floats import GROUP, GROUP_32, STATES, float_batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.session import compare_seeds
from tests.conformance.vex import host_has_avx2

pytestmark = pytest.mark.skipif(not host_has_avx2(), reason="the oracle is a CPU with AVX2, FMA and F16C")
EXCEPTIONS, XM = range(6), 19


def test_random_floats_come_out_as_they_do_here(vector_host: HostCpu, vector_guest: GuestCpu) -> None:
    tally = compare_seeds(GROUP, float_batch, 1, 48_000, vector_host, vector_guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


def test_random_floats_of_32_bit_code_come_out_as_they_do_here(
    vector_host_32: HostCpu, vector_guest_32: GuestCpu
) -> None:
    batches = partial(float_batch, bits=32)
    tally = compare_seeds(GROUP_32, batches, 1, 19_200, vector_host_32, vector_guest_32)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.slow
def test_many_random_floats_come_out_as_they_do_here(vector_host: HostCpu, vector_guest: GuestCpu) -> None:
    tally = compare_seeds(GROUP, float_batch, 1000, 2_000_000, vector_host, vector_guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


def test_every_exception_is_raised_and_passed_over(vector_guest: GuestCpu) -> None:
    seen: set[tuple[int, bool]] = set()
    for seed in range(4):
        batch = float_batch(seed)
        for number, after in enumerate(vector_guest.run(batch)):
            before = batch.states[number % STATES].mxcsr
            new = after.mxcsr & ~before
            seen |= {(flag, after.vector == XM) for flag in EXCEPTIONS if new >> flag & 1}
    assert seen == {(flag, raised) for flag in EXCEPTIONS for raised in (False, True)}
