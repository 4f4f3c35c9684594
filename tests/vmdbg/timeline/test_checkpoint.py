"""Checkpoints remember what it takes to come to each, whichever of them go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vmdbg.timeline.model import origin_of
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.checkpoint import MOST, Checkpoint, Checkpoints
from vmdbg.timeline.pages import PageStore
from vmdbg.timeline.ram import RamImage
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@pytest.fixture
def first() -> Iterator[Checkpoint]:
    origin = origin_of("protected_ring3")
    machine = origin.machine()
    yield Timeline(machine, origin=origin).checkpoints.first
    machine.close()


def at(first: Checkpoint, tick: int) -> Checkpoint:
    store = PageStore()
    return Checkpoint(Position(Tick(tick)), first.state, RamImage.filled(store.zero, first.ram.count), 0)


def test_one_between_others_shares_what_it_took(first: Checkpoint) -> None:
    kept = Checkpoints(first, PageStore())
    ends, between = at(first, 100), at(first, 70)
    kept.add(ends, ends.position, 1.0)
    kept.add(between, ends.position, 0.75)
    assert [kept.seconds(checkpoint) for checkpoint in kept] == [0.0, 0.75, 0.25]
    kept.add(at(first, 70), ends.position, 9.0)
    assert [kept.seconds(checkpoint) for checkpoint in kept] == [0.0, 0.75, 0.25]


def test_a_replay_between_neighbours_is_believed(first: Checkpoint) -> None:
    kept = Checkpoints(first, PageStore())
    near, far = at(first, 70), at(first, 100)
    for checkpoint in (near, far):
        kept.add(checkpoint, far.position, 1.0)
    kept.replayed(first.position, near.position, 0.25)
    kept.replayed(first.position, far.position, 0.5)
    kept.replayed(near.position, Position(Tick(90)), 0.5)
    assert [kept.seconds(checkpoint) for checkpoint in kept] == [0.0, 0.25, 1.0]


def test_thinning_loses_none_of_it(first: Checkpoint) -> None:
    kept = Checkpoints(first, PageStore())
    for tick in range(1000, 1000 * (MOST + 2), 1000):
        kept.add(at(first, tick), Position(Tick(tick)), 0.5)
    seconds = [kept.seconds(checkpoint) for checkpoint in kept]
    assert len(seconds) <= MOST
    assert sum(seconds) == 0.5 * (MOST + 1)
    assert max(seconds) > 0.5


def test_what_is_dropped_is_forgotten(first: Checkpoint) -> None:
    kept = Checkpoints(first, PageStore())
    later = at(first, 100)
    kept.add(later, later.position, 1.0)
    kept.drop_after(Position(Tick(50)))
    assert kept.seconds(later) == 0.0
    kept.add(later, later.position, 2.0)
    kept.clear()
    assert [kept.seconds(checkpoint) for checkpoint in kept] == [0.0]
