"""AVX, AVX2, FMA, F16C, BMI1 and BMI2 against the CPU of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.session import Tally, compare_batch
from tests.conformance.vex import GROUP, MODEL, host_has_avx2, vex_batch

pytestmark = pytest.mark.skipif(not host_has_avx2(), reason="the oracle is a CPU with AVX2, FMA and BMI2")
SEEDS = range(1, 9)


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
        compare_batch(GROUP, seed, vex_batch(seed), host, guest, tally)
        seed += 1
    return tally


def test_random_instructions_do_what_they_do_here(host: HostCpu, guest: GuestCpu) -> None:
    tally = _compare(1, 40_000, host, guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.slow
def test_many_random_instructions_do_what_they_do_here(host: HostCpu, guest: GuestCpu) -> None:
    tally = _compare(1000, 2_000_000, host, guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


def test_most_instructions_of_the_table_are_drawn() -> None:
    drawn = {instruction.mnemonic for seed in SEEDS for instruction in vex_batch(seed).instructions}
    assert len(drawn) > 300
