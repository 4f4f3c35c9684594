"""Floating point of SSE, AVX, FMA and F16C against the CPU of this machine: results, MXCSR, and what it raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.floats import GROUP, STATES, float_batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.session import Tally, compare_batch
from tests.conformance.vex import MODEL, host_has_avx2

pytestmark = pytest.mark.skipif(not host_has_avx2(), reason="the oracle is a CPU with AVX2, FMA and F16C")
EXCEPTIONS, XM = range(6), 19


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    with HostCpu(tmp_path_factory.mktemp("host"), avx=True) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def guest() -> Iterator[GuestCpu]:
    cpu = GuestCpu(MODEL)
    yield cpu
    cpu.close()


def _compare(first: int, cases: int, host: HostCpu, guest: GuestCpu) -> Tally:
    tally, seed = Tally(), first
    while tally.cases < cases:
        compare_batch(GROUP, seed, float_batch(seed), host, guest, tally)
        seed += 1
    return tally


def test_random_floats_come_out_as_they_do_here(host: HostCpu, guest: GuestCpu) -> None:
    tally = _compare(1, 48_000, host, guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.slow
def test_many_random_floats_come_out_as_they_do_here(host: HostCpu, guest: GuestCpu) -> None:
    tally = _compare(1000, 2_000_000, host, guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


def test_every_exception_is_raised_and_passed_over(guest: GuestCpu) -> None:
    seen: set[tuple[int, bool]] = set()
    for seed in range(4):
        batch = float_batch(seed)
        for number, after in enumerate(guest.run(batch)):
            before = batch.states[number % STATES].mxcsr
            new = after.mxcsr & ~before
            seen |= {(flag, after.vector == XM) for flag in EXCEPTIONS if new >> flag & 1}
    assert seen == {(flag, raised) for flag in EXCEPTIONS for raised in (False, True)}
