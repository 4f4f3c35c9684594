"""How copies of a process share a history out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.queries.copies import MOVE_SECONDS, Shares, stretches

WORK = st.lists(st.floats(0, 2), min_size=1, max_size=30)
TICKS = 1000


def shares(work: list[float], workers: int = 2) -> Shares:
    return Shares(work, [TICKS] * len(work), workers)


@given(WORK, st.integers(1, 6))
def test_stretches_are_all_parts_in_order(work: list[float], count: int) -> None:
    cut = stretches(work, count)
    assert len(cut) == count
    assert [index for stretch in cut for index in stretch] == list(range(len(work)))


@given(st.lists(st.floats(0.1, 0.2), min_size=2, max_size=30))
def test_two_stretches_differ_by_no_more_than_a_part(work: list[float]) -> None:
    first, second = (sum(work[index] for index in stretch) for stretch in stretches(work, 2))
    assert abs(first - second) <= 0.2 + MOVE_SECONDS + 1e-9


def test_what_is_not_worth_a_move_is_one_stretch() -> None:
    assert stretches([MOVE_SECONDS / 10] * 5, 3) == [range(5), range(5, 5), range(5, 5)]


@given(WORK, st.integers(1, 6), st.data())
def test_every_part_is_taken_once_whoever_comes_when(work: list[float], workers: int, data: st.DataObject) -> None:
    shared, taken, busy = shares(work, workers), list[int](), set(range(workers))
    while busy:
        worker = data.draw(st.sampled_from(sorted(busy)))
        index = shared.take(worker)
        if index is None:
            busy.remove(worker)
        else:
            taken.append(index)
            shared.passed[index] = TICKS
    assert sorted(taken) == list(range(len(work)))
    assert shared.done() == 1


def test_each_goes_through_its_own_stretch_in_order() -> None:
    shared = shares([1, 1, 1, 1])
    assert [shared.take(worker) for worker in (0, 1, 0, 1)] == [0, 2, 1, 3]


def test_who_is_done_takes_what_both_are_done_soonest_with() -> None:
    shared = shares([0.5, 0.3, 0.1, 0.2, 1.1])
    assert [shared.take(worker) for worker in (0, 1, 1)] == [0, 4, 1]


def test_of_parts_alike_the_last_is_taken() -> None:
    shared = shares([1, 1, 1, 3])
    assert [shared.take(worker) for worker in (0, 1, 1)] == [0, 3, 2]


def test_what_its_owner_comes_to_sooner_is_left_to_it() -> None:
    shared = shares([1, MOVE_SECONDS / 2, 1 + MOVE_SECONDS / 2])
    assert [shared.take(worker) for worker in (0, 1)] == [0, 2]
    shared.passed[0] = TICKS
    assert shared.take(1) is None
    assert shared.take(0) == 1


@pytest.mark.parametrize("passed", [0, TICKS // 2, TICKS])
def test_progress_is_of_the_whole_history(passed: int) -> None:
    shared = shares([1, 1])
    shared.passed[0] = passed
    assert shared.done() == passed / (2 * TICKS)
