"""Schedules by the hundred: each gives the sample kernel one run, whatever is done to it."""

from __future__ import annotations

import os
import random

import pytest

from tests.determinism.machines import digests_at
from tests.determinism.random_schedules import Scheduled, disturbed_digests, drawn_marks, made

FEW, ALL = 9, 1000
"""Seeds. VMDBG_SCHEDULES=FROM-TO is for other ones."""


def equal_when_disturbed(seed: int) -> bool:
    """Stepped, sliced, sought and debugged, it comes to the same digests, up to the end of the guest."""
    scheduled, rng = Scheduled.drawn(seed), random.Random(-seed)
    marks = drawn_marks(rng)
    undisturbed = digests_at(scheduled.machine, marks)
    debugger = made(scheduled)
    try:
        found = disturbed_digests(debugger, marks, rng)
        assert debugger.machine.ending is not None, "the sample runs on"
        return found == undisturbed
    finally:
        debugger.close()


@pytest.mark.parametrize("seed", range(FEW))
def test_what_is_done_to_a_run_by_a_drawn_schedule_does_not_show(seed: int) -> None:
    assert equal_when_disturbed(seed)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_nor_does_it_by_a_thousand() -> None:
    first, dash, last = os.environ.get("VMDBG_SCHEDULES", "").partition("-")
    seeds = range(int(first), int(last)) if dash else range(FEW, ALL)
    assert [seed for seed in seeds if not equal_when_disturbed(seed)] == []
