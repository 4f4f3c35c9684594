"""How a guest under a debugger ended, also where somebody goes back from its end."""

from __future__ import annotations

from tests.vmdbg.debugger.programs import go, program
from vmdbg.debugger.actions import Seek
from vmdbg.debugger.stops import Ended
from vmdbg.host.fate import Fate, ended_in_order

FINISHING = """
    nop
    finish 0
"""


def test_the_end_of_the_history_counts_and_a_fork_takes_it_back() -> None:
    with program(FINISHING) as (debugger, _, _guest):
        fate = Fate(debugger)
        stop = go(debugger)
        assert isinstance(stop, Ended)
        assert fate.outcome == stop.outcome
        assert ended_in_order(debugger, stop)
        go(debugger, Seek(debugger.timeline.start))
        assert fate.outcome == stop.outcome, "the history ends so, wherever one looks at it"
        debugger.timeline.fork()
        go(debugger, Seek(debugger.timeline.start))
        assert fate.outcome is None
