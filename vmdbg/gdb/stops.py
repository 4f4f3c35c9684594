"""The debugger's stops as the stop replies of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from gdbstub import stops as rsp
from gdbstub.breakpoints import Breakpoint, BreakpointKind
from gdbstub.stops import Edge, Signal, StopReason, ThreadId
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.describe import (
    describe_delivery,
    describe_device_event,
    describe_ending,
    describe_event,
    fault_chain,
)
from vmdbg.debugger.fault_reasons import chain_words, fault_reason
from vmdbg.debugger.points import Point, Watchpoint
from vmdbg.debugger.stops import (
    BreakpointStop,
    DeviceStop,
    Ended,
    Ending,
    EventStop,
    ExceptionStop,
    HistoryEnd,
    HistoryStart,
    HostFailed,
    Interrupted,
    RunFailed,
    StepDone,
    Stop,
    WatchpointStop,
)
from vmdbg.engine.exits import Access, Stuck, TripleFault, VoidFetch, WatchHit
from vmdbg.gdb.lifecycle import OWNER
from vmdbg.gdb.system_calls import GuestSystemCalls
from vmdbg.gdb.threads import thread_of
from vmdbg.machine.outcome import HaltedForever, PoweredOff, ResetRequested, TestExited
from vmdbg.session.oops_watch import is_oops_point

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


class StopReasons:
    """Says why the guest stands, in the client's terms."""

    def __init__(
        self,
        debugger: Debugger,
        owned: Owned,
        calls: GuestSystemCalls,
        exits: Callable[[Stop], bool],
        owner: str,
    ) -> None:
        """`exits`: whether the end of a live guest is the end of a process to the client, which then cannot go back."""
        self._debugger = debugger
        self._owned = owned
        self._calls = calls
        self._exits = exits
        self._owner = owner
        self.stepped: ThreadId | None = None
        """What the client wanted to step, if it did."""

    def of(self, stop: Stop) -> StopReason:
        """What the client is told of the debugger's last stop."""
        thread = thread_of(self._debugger.stopped_cpu)
        if isinstance(stop, StepDone) and self.stepped in (None, thread):
            return rsp.Stepped(thread)
        reason = self._reason(stop)
        match reason:
            case rsp.Exited() | rsp.Terminated() | rsp.NoneResumed():
                return reason
            case _:
                return reason if reason.thread == thread else replace(reason, thread=thread)

    def _reason(self, stop: Stop) -> StopReason:
        match stop:
            case StepDone():
                return rsp.Signalled(Signal.NONE, text=f"what was stepped is on CPU {self._debugger.stopped_cpu} now")
            case BreakpointStop(points):
                return self._system_call(points) or self._breakpoint(points)
            case WatchpointStop(hits):
                return self._watchpoint(hits)
            case ExceptionStop(delivery):
                signal = _SIGNALS.get(delivery.vector, Signal.SIGSEGV)
                why = fault_reason(self._debugger.machine, delivery)
                return rsp.Signalled(signal, text=f"caught {describe_delivery(delivery)}{f'; {why}' if why else ''}")
            case EventStop():
                return rsp.Signalled(Signal.SIGTRAP, text=f"caught {describe_event(stop)}")
            case DeviceStop(events):
                words = "\n".join(f"caught {describe_device_event(event)}" for event in events)
                return rsp.Signalled(Signal.SIGTRAP, text=words)
            case Interrupted():
                mine = self._debugger.interrupted_by in ("", self._owner)
                return rsp.Signalled(Signal.SIGINT, text="" if mine else "another debugger has stopped the guest")
            case Ended(outcome):
                return self._ended(stop, outcome)
            case HistoryStart():
                return rsp.HistoryEdge(Edge.BEGIN)
            case HistoryEnd():
                return rsp.HistoryEdge(Edge.END, text="the recording ends here")
            case HostFailed(reason):
                return rsp.Signalled(Signal.SIGTRAP, text=f"{reason}; the guest stands before that")
            case RunFailed():
                return rsp.Signalled(Signal.SIGTRAP, text=stop.words)
            case _:
                assert_never(stop)

    def _system_call(self, points: tuple[Point, ...]) -> StopReason | None:
        """A caught call, unless the client has a breakpoint of its own there."""
        if not any(map(self._calls.is_point, points)) or any(map(self._owned, points)):
            return None
        return self._calls.here()

    def _ended(self, stop: Ended, outcome: Ending) -> StopReason:
        """A guest that ended in order has come to the end of its history; any other stays to be looked at."""
        text = describe_ending(outcome)
        match outcome:
            case PoweredOff() | TestExited() if self._debugger.timeline.closed:
                return rsp.HistoryEdge(Edge.END, text=text)
            case PoweredOff() | TestExited() if not self._exits(stop):
                return rsp.HistoryEdge(Edge.END, text=f"{text}; its history is kept until you leave")
            case PoweredOff():
                return rsp.Exited(0)
            case TestExited(code):
                return rsp.Exited(code >> 1 & 0xFF)
            case ResetRequested():
                return rsp.Signalled(Signal.SIGTERM, text=text)
            case TripleFault():
                chain = chain_words(self._debugger.machine, fault_chain(self._debugger.engine.deliveries()))
                lines = [text, *(f"  {describe_delivery(one)}{f'; {why}' if why else ''}" for one, why in chain)]
                return rsp.Signalled(Signal.SIGSEGV, text="\n".join(lines))
            case VoidFetch():
                return rsp.Signalled(Signal.SIGSEGV, text=text)
            case Stuck() | HaltedForever():
                return rsp.Signalled(Signal.SIGABRT, text=text)
            case _:
                assert_never(outcome)

    def _breakpoint(self, points: tuple[Point, ...]) -> StopReason:
        mine = [found for point in points if (found := self._owned(point)) is not None]
        if mine:
            return rsp.BreakpointHit(hardware=all(point.kind is BreakpointKind.HARDWARE for point in mine))
        if any(is_oops_point(point) for point in points):
            return rsp.Signalled(Signal.SIGTRAP, text="the kernel has something wrong to report: monitor oops shows it")
        numbers = ", ".join(str(point.number) for point in points)
        return rsp.Signalled(Signal.SIGTRAP, text=f"stopped at {self._whose(points[0])} breakpoint {numbers}")

    def _watchpoint(self, hits: tuple[tuple[Watchpoint, WatchHit], ...]) -> StopReason:
        for point, hit in hits:
            mine = self._owned(point)
            if mine is not None and mine.kind.access is not None:
                touched = hit.physical if mine.physical else hit.linear
                return rsp.WatchpointHit(max(touched, mine.address), mine.kind.access)
        point, hit = hits[0]
        done = "written" if hit.access is Access.WRITE else "read"
        by = f" by {hit.device}" if hit.device else ""
        text = f"{self._whose(point)} watchpoint {point.number}: {hit.size} bytes at {hit.linear:#x} were {done}{by}"
        return rsp.Signalled(Signal.SIGTRAP, text=text)

    def _whose(self, point: Point) -> str:
        """`monitor`: set through it by this client."""
        if point.owner == self._owner:
            return "monitor's"
        return "another gdb's" if point.owner.startswith(OWNER) else "vmdbg's"
