"""No code ends the process, whatever it does to its guest."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("count", [8_000, pytest.param(400_000, marks=pytest.mark.slow)])
def test_no_code_ends_the_process(count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.vmdbg.engine.hostile_code", "1", str(count)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, f"seed {done.stdout.split()[-1]}: {done.stderr}"
