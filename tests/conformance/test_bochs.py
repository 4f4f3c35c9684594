"""The engine, Bochs' core and this machine's CPU on the same random instructions."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from tests.conformance import bochs
from tests.conformance.benches import INSTRUCTIONS, STATES, Benches, benches, small_batch
from tests.conformance.groups import ALL, Group
from tests.conformance.session import Tally

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the judge is an x86-64 CPU"),
    pytest.mark.skipif(not bochs.is_there(), reason="bochscpu-python is not installed"),
]
MANY = 85_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    with benches(tmp_path_factory.mktemp("cpus"), bochs.of_kind) as made:
        yield made


@pytest.mark.parametrize("group", ALL, ids=lambda group: group.name)
def test_what_differs_from_bochs_is_known_and_is_what_this_cpu_does(group: Group, bench: Benches) -> None:
    tally = Tally()
    bench(group.kind).vote(group.name, 1, small_batch(group), tally)
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))
    assert tally.cases == INSTRUCTIONS * STATES
    assert tally.agreed


@pytest.mark.slow
def test_in_a_million_cases_nothing_else_differs(bench: Benches) -> None:
    tally = Tally()
    for group in ALL:
        seed = 1000
        while tally.groups[group.name] < MANY:
            bench(group.kind).vote(group.name, seed, group.batch(seed), tally)
            seed += 1
    assert not tally.unexplained, "\n".join(map(str, tally.unexplained[:10]))
