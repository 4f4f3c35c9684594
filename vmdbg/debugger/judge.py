"""From an outcome of the machine to a stop that users asked for, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from vmdbg.debugger.context import linear_pc
from vmdbg.debugger.points import Breakpoint, Space, Watchpoint
from vmdbg.debugger.stops import (
    BreakpointStop,
    Ended,
    EventStop,
    ExceptionStop,
    HistoryEnd,
    Stop,
    WatchpointStop,
)
from vmdbg.engine.port import (
    BreakpointHit,
    EventCaught,
    ExceptionDelivered,
    LimitReached,
    Stepped,
    StopRequested,
    Stuck,
    TripleFault,
    VoidFetch,
    WatchHit,
    WatchpointHit,
)
from vmdbg.machine.outcome import HaltedForever, PoweredOff, ResetRequested, TestExited
from vmdbg.timeline.outcome import EndOfHistory, TimelineOutcome
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.debugger.debugger import Debugger


def judge(debugger: Debugger, outcome: TimelineOutcome) -> Stop | None:
    """The stop, or None if the guest is to go on (past what is at the pc)."""
    match outcome:
        case LimitReached() | Stepped() | StopRequested():
            return None
        case BreakpointHit():
            hit = [point for point in breakpoints_here(debugger) if _stops(debugger, point)]
            return BreakpointStop(tuple(hit)) if hit else None
        case WatchpointHit(hits):
            wanted = [pair for pair in _watchpoints(debugger, hits) if _changed(debugger, *pair)]
            wanted = [(point, hit) for point, hit in wanted if point.holds(debugger)]
            return WatchpointStop(tuple(wanted)) if wanted else None
        case ExceptionDelivered(delivery):
            return ExceptionStop(delivery)
        case EventCaught(kind, subject, value):
            return EventStop(kind, subject, value)
        case PoweredOff() | ResetRequested() | TestExited() | HaltedForever() | TripleFault() | VoidFetch() | Stuck():
            return Ended(outcome)
        case EndOfHistory():
            return HistoryEnd()
        case _:
            assert_never(outcome)


def breakpoints_here(debugger: Debugger) -> list[Breakpoint]:
    """The enabled breakpoints at the pc, linear and physical."""
    pc = linear_pc(debugger.engine)
    found = list(debugger.points.at(Space.LINEAR, pc))
    if debugger.points.has_physical_breakpoints:
        physical = debugger.linear().translate(Linear(pc))
        if physical is not None:
            found += debugger.points.at(Space.PHYSICAL, physical)
    return found


def _stops(debugger: Debugger, point: Breakpoint) -> bool:
    if not point.holds(debugger):
        return False
    if point.action is not None:
        point.action(debugger)
        return False
    return True


def _watchpoints(debugger: Debugger, hits: tuple[WatchHit, ...]) -> list[tuple[Watchpoint, WatchHit]]:
    known = debugger.points.watchpoints
    return [(known[hit.number], hit) for hit in hits if hit.number in known]


def _changed(debugger: Debugger, point: Watchpoint, hit: WatchHit) -> bool:
    if not point.on_change:
        return True
    now = bytes(debugger.engine.ram[hit.physical : hit.physical + len(hit.old)])
    return now != hit.old
