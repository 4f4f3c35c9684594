"""Why the guest stands, as the client is told."""

from __future__ import annotations

from typing import assert_never

from dapstub import values
from dapstub.errors import TargetError
from dapstub.values import StopReason
from vmdbg.dap.breakpoints import GuestBreakpoints
from vmdbg.debugger.stops import (
    BreakpointStop,
    DeviceStop,
    Ended,
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
from vmdbg.session.execution import points_of
from vmdbg.session.session import Session
from vmdbg.session.stop_report import headline
from vmdbg.x86.exceptions import vector_name


def stopped(session: Session, breakpoints: GuestBreakpoints, stop: Stop, reason: StopReason | None) -> values.Stopped:
    """`reason`: what the run was for, where the stop itself does not say."""
    words = headline(session, stop) or None
    thread = session.debugger.stopped_cpu + 1
    match stop:
        case BreakpointStop() | WatchpointStop():
            why, numbers = breakpoints.hit(points_of(stop))
            if isinstance(stop, WatchpointStop):
                why = StopReason.DATA_BREAKPOINT
            return values.Stopped(why, thread, words, words, hit_breakpoint_ids=numbers)
        case StepDone():
            return values.Stopped(reason or StopReason.STEP, thread, None)
        case Interrupted():
            return values.Stopped(StopReason.PAUSE, thread, None)
        case ExceptionStop() | EventStop() | DeviceStop() | HostFailed() | RunFailed():
            return values.Stopped(StopReason.EXCEPTION, thread, words, words)
        case Ended() | HistoryStart() | HistoryEnd():
            return values.Stopped(StopReason.PAUSE, thread, words, words)
        case _:
            assert_never(stop)


def exception_details(session: Session) -> values.ExceptionDetails:
    """Of what the guest stopped for. Raises TargetError if that was nothing exceptional."""
    stop = session.debugger.last_stop
    words = headline(session, stop)
    match stop:
        case ExceptionStop(delivery):
            return values.ExceptionDetails(vector_name(delivery.vector), "always", words)
        case EventStop(kind):
            return values.ExceptionDetails(kind.name.lower(), "always", words)
        case DeviceStop():
            return values.ExceptionDetails("device", "always", words)
        case HostFailed():
            return values.ExceptionDetails("host", "always", words)
        case RunFailed():
            return values.ExceptionDetails("vmdbg", "always", words)
        case _:
            raise TargetError("the guest has stopped for no exception")
