"""From an outcome of the machine to a stop that users asked for, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from vmdbg.debugger.debuggee import Debuggee
from vmdbg.debugger.points import Breakpoint, Watchpoint
from vmdbg.debugger.stops import (
    BreakpointStop,
    DeviceStop,
    Ended,
    EventStop,
    ExceptionStop,
    HistoryEnd,
    Stop,
    WatchpointStop,
)
from vmdbg.engine.exits import (
    BreakpointHit,
    EventCaught,
    EventKind,
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
from vmdbg.machine.outcome import DevicesCaught, HaltedForever, PoweredOff, ResetRequested, TestExited
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.outcomes import EndOfHistory, TimelineOutcome
from vmdbg.x86.instruction import MAX_LENGTH
from vmdbg.x86.locked import is_locked

MAGIC = b"\x66\x87\xdb"
"""XCHG BX,BX in 32- and 64-bit code; in 16-bit code it has no prefix."""
NARROW = 16


def judge(debugger: Debuggee, outcome: TimelineOutcome) -> Stop | None:
    """The stop, or None if the guest is to go on (past what is at the pc). Counts hits and carries out actions."""
    match outcome:
        case BreakpointHit():
            return judge_breakpoint(debugger)
        case WatchpointHit():
            stop = would_stop(debugger, outcome)
            return counted(stop, debugger.position) if stop is not None else None
        case _:
            return would_stop(debugger, outcome)


def would_stop(debugger: Debuggee, outcome: TimelineOutcome) -> Stop | None:
    """The stop if no hit is to be ignored, without a trace: on the way back the guest comes by again and again."""
    match outcome:
        case LimitReached() | Stepped() | StopRequested():
            return None
        case BreakpointHit():
            hit = tuple(point for point in breakpoints_here(debugger) if point.action is None and point.holds(debugger))
            return BreakpointStop(hit) if hit else _caught_by_its_code(debugger)
        case WatchpointHit(hits):
            wanted = [pair for pair in _watchpoints(debugger, hits) if _changed(*pair)]
            wanted = [(point, hit) for point, hit in wanted if point.holds(debugger)]
            return WatchpointStop(tuple(wanted)) if wanted else None
        case ExceptionDelivered(delivery):
            return ExceptionStop(delivery)
        case EventCaught(kind, subject, value):
            return EventStop(kind, subject, value)
        case DevicesCaught(hits):
            events = tuple(event for number, event in hits if debugger.points.catches_device(number, debugger))
            return DeviceStop(tuple(dict.fromkeys(events))) if events else None
        case PoweredOff() | ResetRequested() | TestExited() | HaltedForever() | TripleFault() | VoidFetch() | Stuck():
            return Ended(outcome)
        case EndOfHistory():
            return HistoryEnd()
        case _:
            assert_never(outcome)


def judge_breakpoint(debugger: Debuggee) -> BreakpointStop | EventStop | None:
    """The stop, if one of the breakpoints at the pc wants it, or the instruction there is one itself."""
    hit = []
    for point in breakpoints_here(debugger):
        if point.holds(debugger) and point.counts(debugger.position):
            if point.action is None:
                hit.append(point)
            else:
                point.action(debugger)
    return BreakpointStop(tuple(hit)) if hit else _caught_by_its_code(debugger)


def _caught_by_its_code(debugger: Debuggee) -> EventStop | None:
    """XCHG BX,BX and what is locked, if that is caught."""
    events = debugger.points.catches.events
    if not events or events.isdisjoint((EventKind.MAGIC, EventKind.LOCKED)):
        return None
    code = debugger.linear().read_prefix(debugger.pc, MAX_LENGTH)
    is_magic = code[:2] == MAGIC[1:] if debugger.cpu.width == NARROW else code[:3] == MAGIC
    if is_magic and EventKind.MAGIC in events:
        return EventStop(EventKind.MAGIC, 0, 0)
    is_one = EventKind.LOCKED in events and is_locked(code, debugger.cpu.width)
    return EventStop(EventKind.LOCKED, 0, 0) if is_one else None


def counted(stop: Stop, at: Position) -> Stop | None:
    """Count the hits of a stop, which are at `at`; what is left of it once those that are to be ignored are."""
    match stop:
        case BreakpointStop(breakpoints):
            points = tuple(point for point in breakpoints if point.counts(at))
            return BreakpointStop(points) if points else None
        case WatchpointStop(hits):
            pairs = tuple(pair for pair in hits if pair[0].counts(at))
            return WatchpointStop(pairs) if pairs else None
        case _:
            return stop


def breakpoints_here(debugger: Debuggee) -> Sequence[Breakpoint]:
    """The enabled breakpoints at the pc, linear and physical; none where a repeated instruction goes on."""
    index = debugger.points.index()
    if not (index.linear or index.physical) or debugger.engine.repeating:
        return ()
    pc = debugger.engine.linear_pc
    found: Sequence[Breakpoint] = index.linear.get(pc, ())
    if index.physical:
        physical = debugger.linear().translate(pc)
        if physical is not None:
            found = [*found, *index.physical.get(physical, ())]
    return found


def _watchpoints(debugger: Debuggee, hits: tuple[WatchHit, ...]) -> list[tuple[Watchpoint, WatchHit]]:
    known = debugger.points.watchpoints
    read = debugger.engine.read_physical  # now: whoever goes back to it stands before it
    return [(known[hit.number], hit.looked_at(read)) for hit in hits if hit.number in known]


def _changed(point: Watchpoint, hit: WatchHit) -> bool:
    return not point.on_change or hit.new != hit.old
