"""Back in time to the call that a function returns to."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.debugger.backward import search_backwards
from vmdbg.debugger.context import NOWHERE, current_context, page_tables, stack_memory
from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.guest import Guest
from vmdbg.debugger.points import Condition
from vmdbg.debugger.stops import BreakpointStop, StepDone, Stop
from vmdbg.x86.instruction import MAX_LENGTH

OWNER = "step"


def back_to(debugger: Debuggee, addresses: Sequence[int], condition: Condition) -> Stop:
    """Back to the last time that an instruction there was about to run, or to another stop after that."""
    points = [debugger.points.add_breakpoint(one, owner=OWNER, condition=condition) for one in addresses]
    try:
        stop = search_backwards(debugger)
    finally:
        for point in points:
            debugger.points.remove(point)
    if isinstance(stop, BreakpointStop) and not set(points).isdisjoint(stop.breakpoints):
        others = tuple(one for one in stop.breakpoints if one not in points)
        return BreakpointStop(others) if others else StepDone()
    return stop


def calls_to(guest: Guest, pc: int) -> list[int]:
    """Where calls lie that return to `pc`; of several only one has ever run."""
    from vmdbg.x86.boundaries import calls_before

    code = guest.linear().read_suffix(pc, MAX_LENGTH)
    return [pc - len(code) + offset for offset in calls_before(code, guest.cpu.width)]


def stands_at(guest: Guest, rsp: int) -> Condition:
    """Whether a CPU is at that place of the stack that `rsp` is in now.

    Of the kernel's and, seen from the kernel, of a process's: by its page of memory, or by the page tables, either of
    which may have changed. From a ring outside by the page tables and the ring.
    """
    engine, cpl = guest.engine, guest.cpu.ring
    page, tables = stack_memory(engine, 0, rsp), page_tables(engine, engine.read_register("cr3"))

    def stands(there: Guest) -> bool:
        now = current_context(there.engine)
        if now.rsp != rsp or (cpl and now.cpl != cpl):
            return False
        if now.cpl and now.memory == tables:
            return True
        return not cpl and page != NOWHERE and stack_memory(there.engine, 0, rsp) == page

    return stands


def back_to_call(debugger: Debuggee, pc: int, rsp: int) -> Stop:
    """To the call that returns to `pc` with that RSP, but for arguments that it takes off the stack."""
    return back_to(debugger, calls_to(debugger, pc), stands_at(debugger, rsp))
