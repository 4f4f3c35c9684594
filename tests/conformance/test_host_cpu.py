"""The engine against the CPU of this machine, on random instructions of ring 3; `make conformance` goes on with it."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from tests.conformance.batch import Batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.instructions import GROUPS, GROUPS_32, Instruction
from tests.conformance.layout import State
from tests.conformance.session import STATES, Tally, batch, compare, compare_batch, compare_seeds

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is an x86-64 CPU")

SEEDS = range(1, 6)
LONG = 800_000
"""Cases of each group: some four minutes for all on two cores. `make conformance` goes on."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    with HostCpu(tmp_path_factory.mktemp("host")) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def guest() -> Iterator[GuestCpu]:
    cpu = GuestCpu()
    yield cpu
    cpu.close()


@pytest.fixture(scope="module")
def host_32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    with HostCpu(tmp_path_factory.mktemp("host"), bits=32) as cpu:
        yield cpu


@pytest.fixture(scope="module")
def guest_32() -> Iterator[GuestCpu]:
    cpu = GuestCpu(bits=32)
    yield cpu
    cpu.close()


@pytest.mark.parametrize("group", GROUPS_32)
def test_random_instructions_of_32_bit_code_do_what_they_do_here(
    group: str, host_32: HostCpu, guest_32: GuestCpu
) -> None:
    tally = Tally()
    for seed in SEEDS:
        compare(group, seed, host_32, guest_32, tally)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.parametrize("group", GROUPS)
def test_random_instructions_do_what_they_do_here(group: str, host: HostCpu, guest: GuestCpu) -> None:
    tally = Tally()
    for seed in SEEDS:
        compare(group, seed, host, guest, tally)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_many_random_instructions_do_what_they_do_here(group: str, host: HostCpu, guest: GuestCpu) -> None:
    tally = compare_seeds(group, lambda seed: batch(group, seed), 1000, LONG, host, guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))


FOUND = {
    "pabsb": "4e0f381ccc",
    "test": "49f7caa9000000",
    "movhlps": "660f12d8",
    "lahf": "4b9f",
    "movss": "66f30f10ef",
    "cmpps": "0fc2c2ff",
    "phaddw": "660f3801c0",
    "mov": "45c6c1ff",
    "roundss": "660f3a0a4dfc00",
    "add": "000425" + 5 * "00",
    "fcomi": "dbf1",
    "fldcw": "d96d00",
    "cvttps2pi": "0f2c4df8",
    "punpcklbw": "0f604dfc",
    "dpps": "660f3a40c1ff",
    "minps": "0f5dc1",
    "paddb": "0ffc4d00",
    "repe cmpsb": "f2f3a6",
    "sfence": "f20faef8",
    "fdiv": "d8f9",
    "fmul": "dc4d00",
    "fprem": "d9f8",
    "fprem1": "d9f5",
    "fpatan": "d9f3",
    "fscale": "d9fd",
    "fxtract": "d9f4",
    "fsqrt": "d9fa",
    "fbld": "df6500",
    "fbstp": "df75f8",
    "fst": "dd55f8",
    "fstp": "db7dfc",
    "fld": "dd4500",
    "fldpi": "d9eb",
    "fsincos": "d9fb",
    "fnclex": "dbe2",
    "fxam": "d9e5",
    "fcmovu": "dad9",
    "lock neg": "f0f61b",
    "cmpxchg": "0fb1c1",
    "lock cmpxchg": "f00fb10b",
    "clflush": "0fae3b",
    "enter": "c8100003",
    "movups": "0f1043fc",
    "emms": "0f77",
}
"""One of each kind that random instructions found."""
FOUND_32 = {
    "arpl": "6303",
    "arpl in code": "2e6303",
    "arpl on the stack": "36631e",
    "pop to memory in code": "2e8f03",
    "ptwrite": "2ef30fae23",
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str, host: HostCpu, guest: GuestCpu) -> None:
    tally = Tally()
    for seed in SEEDS:
        states = batch("one byte", seed).states
        instruction = Instruction(bytes.fromhex(FOUND[name]), name, "")
        compare_batch(name, seed, Batch([instruction], states), tally, oracle=host, engine=guest)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))
    assert tally.cases == len(SEEDS) * STATES


@pytest.mark.parametrize("name", FOUND_32)
def test_what_was_found_in_32_bit_code_stays_mended(name: str, host_32: HostCpu, guest_32: GuestCpu) -> None:
    """From many states: what a store depends on is seldom there."""
    tally, instruction = Tally(), Instruction(bytes.fromhex(FOUND_32[name]), name.partition(" ")[0], "")
    for seed in range(40):
        states = batch("32 bits: one byte", seed).states
        compare_batch(name, seed, Batch([instruction], states, 32), tally, oracle=host_32, engine=guest_32)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))
    assert tally.cases == 40 * STATES


def test_a_result_that_differs_is_told(host: HostCpu) -> None:
    class Wrong:
        def run(self, batch: Batch) -> list[State]:
            first, *rest = host.run(batch)
            return [State(bytes([first.raw[0] ^ 1]) + first.raw[1:]), *rest]

    tally = Tally()
    compare("one byte", 1, host, Wrong(), tally)
    (unexplained,) = tally.unexplained
    assert [difference.name for difference in unexplained.differences] == ["rax"]
    assert tally.cases % STATES == 0
