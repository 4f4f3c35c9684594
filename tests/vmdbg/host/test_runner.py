"""A machine alone and one whose history is kept run alike, and each says how the run is over."""

from __future__ import annotations

import pytest

from tests.vmdbg.debugger.programs import program
from vmdbg.host.runner import KeptRunner, PlainRunner, Runner
from vmdbg.machine.digest import digest
from vmdbg.machine.outcome import TestExited
from vmdbg.units import Tick

FINISHING = """
    mov ecx, 50000
spin:
    dec ecx
    jnz spin
    finish 2
"""


@pytest.mark.parametrize("kept", [False, True])
def test_slices_lead_to_the_end_that_the_guest_comes_to(kept: bool) -> None:
    with program(FINISHING) as (debugger, _, _guest):
        machine = debugger.machine
        runner: Runner = KeptRunner(debugger.timeline) if kept else PlainRunner(machine)
        outcome, slices = None, 0
        while outcome is None:
            assert runner.poll()
            assert runner.live
            outcome = runner.advance(Tick(machine.clock + 20_000))
            slices += 1
        assert isinstance(outcome, TestExited)
        assert slices > 3
        assert not runner.finished
        assert not runner.break_in()
        assert runner.ended is None


def test_where_slices_end_makes_no_difference() -> None:
    seen = []
    for length in (7_001, 30_000, 1 << 30):
        with program(FINISHING) as (debugger, _, _guest):
            runner = KeptRunner(debugger.timeline)
            while runner.advance(Tick(debugger.machine.clock + length)) is None:
                pass
            seen.append(digest(debugger.machine))
    assert seen[0] == seen[1] == seen[2]
