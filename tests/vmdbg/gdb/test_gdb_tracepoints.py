"""gdb's tracepoints: collected in passing, the steps after a hit taken from the history when they are looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guests.build import sample_kernel
from tests.vmdbg.gdb.guests import gdb, sample_guest

TRACE = """
tvariable $long = 0
trace text_length
actions
collect $args, $regs, s[0]@4
while-stepping 3
collect $rip, $rsp
end
end
trace account_open if balance == 0
actions
collect/s name
teval $long = $long + 1
end
break user_main
tstart
"""
LOOK = (
    "tstop",
    "tfind start",
    "print s[0]@4",
    "print/x $rsp",
    "tfind",
    "print $rip",
    "print s",
    "set $rax = 1",
    "tfind tracepoint 2",
    "print name",
    "tfind none",
    "print $rip",
    "info tvariables",
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "trace.gdb"
    path.write_text(TRACE)
    return path


@pytest.mark.cell("tracepoints")
def test_tracepoints_collect_and_step(gdb_client: list[str], script: Path) -> None:
    with sample_guest() as guest:
        output = gdb(gdb_client, guest.debugger, f"source {script}", "continue", *LOOK, file=sample_kernel())
        assert guest.debugger.position == guest.debugger.timeline.end
    assert "Found trace frame 0, tracepoint 1" in output
    assert '$1 = "Mult"' in output
    assert "Found trace frame 1, tracepoint 1" in output
    assert re.search(r"\$3 = .* <text_length\+\d+>", output)
    assert "this is a trace frame, which cannot be changed" in output
    assert "tracepoint 2" in output
    assert '"shared"' in output
    assert re.search(r"\$6 = .* <user_main>", output)
    assert re.search(r"\$long +0 +1", output)
