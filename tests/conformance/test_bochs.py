"""The engine, Bochs' core and this machine's CPU on the same random instructions."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance import bochs
from tests.conformance.batch import Batch
from tests.conformance.groups import ALL, Group, Kind, each, groups_here, guest, host
from tests.conformance.session import Tally
from tests.conformance.votes import Bench

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the judge is an x86-64 CPU"),
    pytest.mark.skipif(not bochs.is_there(), reason="bochscpu-python is not installed"),
]
INSTRUCTIONS, STATES, MANY = 60, 4, 85_000
Benches = Callable[[Kind], Bench]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    scratch: Path = tmp_path_factory.mktemp("cpus")
    with (
        each(lambda kind: host(scratch, kind)) as hosts,
        each(lambda kind: bochs.of_kind(scratch, kind)) as others,
        each(lambda kind: guest(scratch, kind)) as guests,
    ):
        yield lambda kind: Bench(hosts(kind) if kind in _kinds_here() else None, others(kind), guests(kind))


def _kinds_here() -> set[Kind]:
    return {group.kind for group in groups_here()}


def small_batch(group: Group) -> Batch:
    whole = group.batch(1)
    return replace(whole, instructions=whole.instructions[:INSTRUCTIONS], states=whole.states[:STATES])


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
