"""Another process gets to the same digest: with other hash seeds, other addresses and other leftovers in its memory."""

import os
import subprocess
import sys

import pytest

from tests.determinism.machines import digests_at, linux_machine, pressure_machine, sample_machine
from tests.guests.build import REPOSITORY

TICKS = {sample_machine: 60_000_000, pressure_machine: 5_000_000, linux_machine: 100_000_000}
PROGRAM = """
import sys
from tests.determinism import machines
print(*machines.digests_at(getattr(machines, sys.argv[1]), [int(sys.argv[2])]))
"""


@pytest.mark.parametrize("make", TICKS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("seed", ["1", "77"])
def test_hash_seed_and_memory_do_not_show(make: object, seed: str) -> None:
    tick = TICKS[make]  # type: ignore[index]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, make.__name__, str(tick)],  # type: ignore[attr-defined]
        env=os.environ | {"PYTHONHASHSEED": seed, "MALLOC_PERTURB_": seed, "PYTHONMALLOC": "malloc"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str(digests_at(make, [tick])[0])  # type: ignore[arg-type]
