"""Answers about capabilities, monitor commands, and the coming and going of clients."""

from __future__ import annotations

import contextlib
from typing import assert_never

from gdbstub.errors import TargetError, UnsupportedError
from gdbstub.replies import Empty, ErrorStyle, Failure, Hex, Later, Ok, Reply, Text
from gdbstub.requests import Malformed, Unknown
from gdbstub.requests.general import (
    Attach,
    Detach,
    ExtendedMode,
    GeneralRequest,
    Hint,
    Kill,
    MonitorCommand,
    MustReplyEmpty,
    Restart,
    Run,
    SectionOffsets,
    StartNoAckMode,
    Supported,
    SymbolLookup,
    WasAttached,
)
from gdbstub.session.breakpoints import remove_all
from gdbstub.session.console import CONSOLE_CHUNK, console
from gdbstub.session.context import PROCESS, Context
from gdbstub.session.execution import why_stopped
from gdbstub.session.refusals import say_unsaid
from gdbstub.stops import Signal


def answer(context: Context, request: GeneralRequest) -> Reply:
    match request:
        case Supported(features):
            return _supported(context, features)
        case MonitorCommand(command):
            return _monitor(context, command)
        case StartNoAckMode():
            context.framing.acknowledged = False
            return Ok()
        case Hint() | SymbolLookup():
            return Ok()
        case ExtendedMode():
            context.extended = True
            return Ok()
        case MustReplyEmpty():
            return Empty()
        case WasAttached():
            return Text("1")
        case SectionOffsets():
            return _offsets(context)
        case Kill() | Detach() | Attach() | Restart() | Run():
            return _lifecycle(context, request)
    assert_never(request)


def answer_not_understood(_context: Context, request: Unknown | Malformed) -> Reply:
    match request:
        case Unknown():
            return Empty()
        case Malformed(_, why):
            return Failure(why, errno=22)
    assert_never(request)


def _lifecycle(context: Context, request: Kill | Detach | Attach | Restart | Run) -> Reply:
    match request:
        case Kill(wants_reply, process):
            _refuse_other(process)
            return _kill(context, wants_reply)
        case Detach(process):
            _refuse_other(process)
            leave(context, kindly=True)
            return Ok()
        case Attach(process):
            _refuse_other(process)
            _take(context)
            return Ok() if context.non_stop else why_stopped(context)
        case Restart():
            with contextlib.suppress(UnsupportedError):
                _restart(context)
            return Later()
        case Run():
            _restart(context)
            return why_stopped(context)
    assert_never(request)


def _supported(context: Context, features: frozenset[str]) -> Reply:
    context.features = features
    if "error-message+" in features:
        context.error_style = ErrorStyle.TEXT
    return Text(";".join(_promises(context)))


def _promises(context: Context) -> list[str]:
    """Only what is there: see Target."""
    target = context.target
    points = target.breakpoints is not None
    offered = {
        f"PacketSize={context.framing.packet_size:x}": True,
        "QStartNoAckMode+": True,
        "multiprocess+": context.multiprocess,
        "vContSupported+": True,
        "QNonStop+": target.offers_non_stop,
        "QThreadEvents+": True,
        "no-resumed+": True,
        "error-message+": True,
        "binary-upload+": True,
        "swbreak+": points,
        "hwbreak+": points,
        "ConditionalBreakpoints+": points,
        "BreakpointCommands+": points,
        "ConditionalTracepoints+": points,
        "EnableDisableTracepoints+": points,
        "tracenz+": points,
        "qXfer:traceframe-info:read+": points,
        "QCatchSyscalls+": target.system_calls is not None,
        "qXfer:features:read+": target.features is not None,
        "qXfer:memory-map:read+": target.memory_map is not None,
        "qXfer:threads:read+": True,
        "ReverseStep+": target.reverse is not None,
        "ReverseContinue+": target.reverse is not None,
    }
    return [name for name, there in offered.items() if there]


def _monitor(context: Context, command: str) -> Reply:
    """The command's text: streamed as O packets while it runs, the rest in the reply."""
    monitor = context.target.monitor
    if monitor is None:
        raise UnsupportedError("no monitor commands")
    say_unsaid(context)
    try:
        result = monitor.run(command, lambda text: console(context, text), context.check)
    except TargetError as error:
        result = f"{error}\n"
    if len(result) > CONSOLE_CHUNK:
        console(context, result)
        return Ok()
    return Hex(result.encode()) if result else Ok()


def _offsets(context: Context) -> Reply:
    relocation = context.target.relocation
    offsets = relocation.offsets() if relocation is not None else None
    if offsets is None:
        raise UnsupportedError("not relocated")
    return Text(f"Text={offsets.text:x};Data={offsets.data:x};Bss={offsets.bss:x}")


def _kill(context: Context, wants_reply: bool) -> Reply:
    if context.attached:
        remove_all(context)
        context.attached = context.exited = False
        if context.target.lifecycle is not None:
            context.target.lifecycle.killed()
    if wants_reply:
        return Ok()
    context.ended = not context.extended
    return Text(f"X{Signal.SIGKILL:02x}") if context.lldb else Later()


def leave(context: Context, *, kindly: bool) -> None:
    """The client lets go of the target: with D, or because its connection is lost."""
    if not context.attached:
        return
    remove_all(context)
    context.attached = context.exited = context.waiting = False
    context.running.clear()
    context.unreported.clear()
    lifecycle = context.target.lifecycle
    if lifecycle is not None:
        (lifecycle.detached if kindly else lifecycle.vanished)()


def _refuse_other(process: int | None) -> None:
    if process not in (None, PROCESS):
        raise TargetError(f"no process {process}; there is only {PROCESS}")


def _take(context: Context) -> None:
    if not context.has_process:
        context.attached, context.exited = True, False
        if context.target.lifecycle is not None:
            context.target.lifecycle.attached()


def _restart(context: Context) -> None:
    if context.target.restart is None:
        raise UnsupportedError("the target cannot be restarted")
    _take(context)
    context.target.restart.restart()
