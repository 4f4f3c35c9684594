"""The theorem under a real gdb: nothing that it does changes a later state, what it writes is part of the history."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests.build import sample_kernel
from tests.vmdbg.gdb.guests import GDBS, gdb, gdb_program, sample_guest
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Ended
from vmdbg.machine.digest import Digest, digest

TRACE = """
trace mutex_lock
actions
collect $regs, *(char (*)[64]) $rsp
while-stepping 20
collect $rip
end
end
tstart
"""
LOOK = ("tstop", "tfind start", "tdump", "tfind", "tfind pc", "tfind none", "tstatus")
BACK = ("reverse-stepi", "reverse-continue", "reverse-stepi")
TRACED = ("source {trace}", "break account_open", "continue", "continue")
STORIES = {
    "catch syscall": ("catch syscall", "break account_open", "continue", "continue", "delete"),
    "tracepoints": (*TRACED, *LOOK, "delete"),
    "tracepoints, going back": (*TRACED, *BACK, *LOOK, "continue"),
    "left in the past": ("break account_open", "continue", "continue", *BACK, "delete"),
    "conditions of all kinds": (
        "break mutex_lock if $lx_pid == -1 && $cpl == 0 && $orig_rax == 5",
        "break account_open if (double) balance > 1.5",
        "continue",
        "delete",
    ),
}


def to_the_end(debugger: Debugger) -> Digest:
    """The guest powers itself off."""
    if not debugger.running:
        debugger.resume(Continue())
    assert isinstance(debugger.wait(), Ended)
    return digest(debugger.machine)


@pytest.fixture(scope="module")
def undisturbed() -> Digest:
    with sample_guest() as guest:
        return to_the_end(guest.debugger)


@pytest.mark.parametrize("story", STORIES)
def test_what_gdb_does_leaves_no_trace(story: str, undisturbed: Digest, tmp_path: Path) -> None:
    trace = tmp_path / "trace.gdb"
    trace.write_text(TRACE)
    commands = [command.format(trace=trace) for command in STORIES[story]]
    with sample_guest() as guest:
        output = gdb(gdb_program(GDBS[0]), guest.debugger, *commands, "detach", file=sample_kernel())
        assert "detached" in output
        assert "Error in sourced command file" not in output
        assert to_the_end(guest.debugger) == undisturbed


@pytest.mark.parametrize("name", GDBS)
def test_calls_by_hand_are_part_of_the_history(name: str) -> None:
    """Played again from the first instant, by the inputs alone, they lead to the same state."""
    with sample_guest() as guest:
        debugger = guest.debugger
        output = gdb(
            gdb_program(name),
            debugger,
            "break account_open if text_length(name) == 7",
            "break demo_run",
            "continue",
            "print text_length((char *) $rip)",
            "continue",
            "print *account_open(name, 99)",
            "delete",
            "detach",
            file=sample_kernel(),
        )
        assert "balance = 99" in output
        final = to_the_end(debugger)
        timeline = debugger.timeline
        timeline.checkpoints.clear()
        timeline.seek(timeline.start)
        timeline.seek(timeline.end)
        assert digest(debugger.machine) == final
