"""Privileged instructions in every mode, in the engine and on Bochs' core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.bochs import is_there
from tests.conformance.system.bochs import BochsSystem, explain_bochs
from tests.conformance.system.cpus import EngineCpu
from tests.conformance.system.follow import Follower
from tests.conformance.system.session import Tally, batch, compare
from tests.conformance.system.world import Mode

pytestmark = pytest.mark.skipif(not is_there(), reason="bochscpu-python is not installed")
CASES, NOT_JUDGED = 50, 10
"""Of each mode; and how many of all differ for no reason that is known."""


@pytest.fixture(scope="module")
def bochs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BochsSystem]:
    cpu = BochsSystem(tmp_path_factory.mktemp("bochs"))
    yield cpu
    cpu.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineCpu]:
    cpu = EngineCpu()
    yield cpu
    cpu.close()


def test_most_of_what_rings_and_modes_do_is_what_bochs_does(bochs: BochsSystem, engine: EngineCpu) -> None:
    tally = Tally()
    for mode in Mode:
        compare(batch(mode, 20, CASES), bochs, engine, Follower(engine), tally, explain_bochs)
    assert tally.cases == CASES * len(Mode)
    assert len(tally.unexplained) <= NOT_JUDGED, "\n".join(map(str, tally.unexplained))
