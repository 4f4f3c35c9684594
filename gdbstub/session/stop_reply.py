"""Stop replies (GDB manual, Stop Reply Packets; LLDB's additions after QListThreadsInStopReply)."""

from __future__ import annotations

from typing import assert_never

from gdbstub.session.context import PROCESS, Context
from gdbstub.stops import (
    BreakpointHit,
    Exited,
    HistoryEdge,
    NoneResumed,
    Signal,
    Signalled,
    Stepped,
    StopReason,
    SystemCall,
    Terminated,
    ThreadEnded,
    ThreadId,
    ThreadStarted,
    WatchpointHit,
)

OfThread = Stepped | BreakpointHit | Signalled | WatchpointHit | SystemCall | HistoryEdge | ThreadStarted


def of_whole_target(reason: StopReason) -> bool:
    """Whether nothing is left to run after it."""
    return isinstance(reason, Exited | Terminated | NoneResumed)


def stop_reply(context: Context, reason: StopReason) -> str:
    """The stop reply's payload for this client."""
    match reason:
        case Stepped() | BreakpointHit() | Signalled() | WatchpointHit():
            return _of_thread(context, reason)
        case SystemCall() | HistoryEdge() | ThreadStarted():
            return _of_thread(context, reason)
        case Exited(status):
            return f"W{status & 0xFF:02x}" + _process(context)
        case Terminated(signal):
            return f"X{signal & 0xFF:02x}" + _process(context)
        case NoneResumed():
            return "N"
        case ThreadEnded(thread, status):
            return f"w{status & 0xFF:x};{context.show(thread)}"
    assert_never(reason)


def _process(context: Context) -> str:
    return f";process:{PROCESS:x}" if context.multiprocess else ""


def signal_of(reason: StopReason) -> int:
    """The signal a stop shows as."""
    return reason.signal if isinstance(reason, Signalled) else Signal.SIGTRAP


def _of_thread(context: Context, reason: OfThread) -> str:
    lldb = _lldb(context, reason) if context.lldb else ""
    return (
        f"T{signal_of(reason) & 0xFF:02x}thread:{context.show(reason.thread)};"
        f"{_detail(context, reason)}{lldb}{_expedited(context, reason.thread)}"
    )


def _detail(context: Context, reason: StopReason) -> str:
    match reason:
        case Stepped():
            return ""
        case BreakpointHit(hardware=hardware):
            name = "hwbreak" if hardware else "swbreak"
            return f"{name}:;" if name + "+" in context.features else ""
        case WatchpointHit(address, access):
            return f"{access.value}:{address:x};"
        case SystemCall(number, returning):
            return f"syscall_{'return' if returning else 'entry'}:{number:x};"
        case HistoryEdge(edge):
            return f"replaylog:{edge.value};"
        case ThreadStarted():
            return "create:;"
        case _:
            return ""


def lldb_reason(reason: StopReason) -> str:
    """LLDB's word for a stop."""
    match reason:
        case Stepped():
            return "trace"
        case BreakpointHit():
            return "breakpoint"
        case WatchpointHit():
            return "watchpoint"
        case HistoryEdge():
            return "history boundary"
        case SystemCall():
            return "exception"
        case Signalled(text=text) if text:
            return "exception"
        case _:
            return "signal"


def description(reason: StopReason) -> str:
    """LLDB's description: free text, but the address for a watchpoint, which LLDB parses."""
    match reason:
        case WatchpointHit(address):
            return str(address)
        case Signalled(text=text):
            return text
        case SystemCall(number, returning):
            return f"{'return from' if returning else 'call to'} system call {number}"
        case HistoryEdge(edge, text=text):
            return text or f"{edge.value} of the recorded history"
        case _:
            return ""


def _lldb(context: Context, reason: StopReason) -> str:
    fields = f"reason:{lldb_reason(reason)};"
    text = description(reason)
    if text:
        fields += f"description:{text.encode().hex()};"
    if context.list_threads:
        threads = ",".join(f"{thread:x}" for thread in context.threads())
        fields += f"threads:{threads};"
    return fields


def _expedited(context: Context, thread: ThreadId) -> str:
    read = context.target.registers.read
    fields = ""
    for number, name in context.expedited:
        value = read(thread, number)
        if value is not None:
            fields += f"{name}{value.hex()};"
    return fields
