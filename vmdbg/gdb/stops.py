"""The debugger's stops as the stop replies of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from gdbstub import stops as rsp
from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.stops import Edge, Signal, StopReason
from vmdbg.debugger.describe import describe_delivery, describe_ending, describe_event
from vmdbg.debugger.points import Point, Watchpoint
from vmdbg.debugger.stops import (
    BreakpointStop,
    Ended,
    Ending,
    EventStop,
    ExceptionStop,
    HistoryEnd,
    HistoryStart,
    Interrupted,
    StepDone,
    Stop,
    WatchpointStop,
)
from vmdbg.engine.port import Access, Stuck, TripleFault, VoidFetch, WatchHit
from vmdbg.machine.outcome import HaltedForever, PoweredOff, ResetRequested, TestExited

Owned = Callable[[Point], Breakpoint | None]
"""What of the client's a point is; None for somebody else's."""

_SIGNALS = {
    0: Signal.SIGFPE,
    1: Signal.SIGTRAP,
    3: Signal.SIGTRAP,
    6: Signal.SIGILL,
    16: Signal.SIGFPE,
    17: Signal.SIGBUS,
    19: Signal.SIGFPE,
}
"""As Linux would signal a process for the exception; any other is SIGSEGV."""


def stop_reason(stop: Stop, owned: Owned) -> StopReason:
    """What the client is told."""
    match stop:
        case StepDone():
            return rsp.Stepped()
        case BreakpointStop(points):
            return _breakpoint(points, owned)
        case WatchpointStop(hits):
            return _watchpoint(hits, owned)
        case ExceptionStop(delivery):
            signal = _SIGNALS.get(delivery.vector, Signal.SIGSEGV)
            return rsp.Signalled(signal, text=f"caught {describe_delivery(delivery)}")
        case EventStop():
            return rsp.Signalled(Signal.SIGTRAP, text=f"caught {describe_event(stop)}")
        case Interrupted():
            return rsp.Signalled(Signal.SIGINT)
        case Ended(outcome):
            return _ended(outcome)
        case HistoryStart():
            return rsp.HistoryEdge(Edge.BEGIN)
        case HistoryEnd():
            return rsp.HistoryEdge(Edge.END)
        case _:
            assert_never(stop)


def _breakpoint(points: tuple[Point, ...], owned: Owned) -> StopReason:
    mine = [found for point in points if (found := owned(point)) is not None]
    if mine:
        return rsp.BreakpointHit(hardware=all(point.kind is BreakpointKind.HARDWARE for point in mine))
    numbers = ", ".join(str(point.number) for point in points)
    return rsp.Signalled(Signal.SIGTRAP, text=f"stopped at vmdbg's breakpoint {numbers}")


def _watchpoint(hits: tuple[tuple[Watchpoint, WatchHit], ...], owned: Owned) -> StopReason:
    for point, hit in hits:
        mine = owned(point)
        if mine is not None and mine.kind.access is not None:
            touched = hit.physical if mine.physical else hit.linear
            return rsp.WatchpointHit(max(touched, mine.address), mine.kind.access)
    point, hit = hits[0]
    verb = "wrote" if hit.access is Access.WRITE else "read"
    text = f"vmdbg's watchpoint {point.number}: {hit.size} bytes at {hit.linear:#x} were {verb}"
    return rsp.Signalled(Signal.SIGTRAP, text=text.replace("were wrote", "were written"))


def _ended(outcome: Ending) -> StopReason:
    """A guest that ended in order exits; one that died stays to be looked at."""
    match outcome:
        case PoweredOff():
            return rsp.Exited(0)
        case TestExited(code):
            return rsp.Exited(code & 0xFF)
        case ResetRequested():
            return rsp.Signalled(Signal.SIGTERM, text=describe_ending(outcome))
        case TripleFault() | VoidFetch():
            return rsp.Signalled(Signal.SIGSEGV, text=describe_ending(outcome))
        case Stuck() | HaltedForever():
            return rsp.Signalled(Signal.SIGABRT, text=describe_ending(outcome))
        case _:
            assert_never(outcome)
