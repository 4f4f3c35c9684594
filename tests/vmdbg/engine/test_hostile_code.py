"""No code ends the process, whatever it does to its guest."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.vmdbg.engine.hostile_code import MODES

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("pattern", ["dec1", "d9c8", "d44f", "ce"])  # x87, AAM, INTO
def test_long_runs_of_instructions_that_hold_temporaries(pattern: str) -> None:
    unit, fninit = bytes.fromhex(pattern), b"\xdb\xe3"
    code = f"""
        from vmdbg.engine.unicorn.bare import CODE, BareCpu, Tick
        cpu = BareCpu()
        cpu.engine.write_registers({MODES["protected"]})
        cpu.write(CODE, {fninit + unit * (3000 // len(unit))!r})
        cpu.engine.run(Tick(2000))
        assert cpu.engine.clock >= 2000
        """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


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
