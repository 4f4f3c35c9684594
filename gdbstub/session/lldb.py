"""Answers to LLDB's extensions."""

from __future__ import annotations

import json
from typing import assert_never

from gdbstub.errors import UnsupportedError
from gdbstub.replies import Binary, ErrorStyle, Failure, Ok, Reply, Text
from gdbstub.requests.lldb import (
    AttachOrWaitSupported,
    Echo,
    EnableErrorStrings,
    HostInfo,
    ListThreadsInStopReply,
    LldbRequest,
    MemoryRegionInfo,
    ProcessInfo,
    RegisterInfo,
    ServerVersion,
    ThreadsInfo,
    ThreadStopInfo,
    ThreadSuffix,
    WatchpointSupport,
)
from gdbstub.session.context import PROCESS, Context
from gdbstub.session.execution import as_caused
from gdbstub.session.stop_reply import description, lldb_reason, signal_of, stop_reply
from gdbstub.session.threads import describe
from gdbstub.stops import Signal, Signalled, StopReason, ThreadId
from gdbstub.target import Register

_SETTINGS = ListThreadsInStopReply | ThreadSuffix | EnableErrorStrings
_UNLIMITED = 0xFFFF


def answer(context: Context, request: LldbRequest) -> Reply:
    context.lldb = True
    match request:
        case ListThreadsInStopReply() | ThreadSuffix() | EnableErrorStrings():
            return _settings(context, request)
        case HostInfo() | ProcessInfo():
            return Text(_host(context, isinstance(request, ProcessInfo)))
        case RegisterInfo(number):
            return _register(context, number)
        case ThreadsInfo():
            threads = [_thread(context, thread) for thread in context.threads()]
            return Binary(json.dumps(threads).encode())
        case ThreadStopInfo(ref):
            return Text(stop_reply(context, _reason(context, context.thread(ref))))
        case MemoryRegionInfo(address):
            return _region(context, address)
        case ServerVersion():
            return Text(f"name:{context.target.name};version:{context.target.version};")
        case AttachOrWaitSupported():
            return Ok()
        case WatchpointSupport():
            return Text(f"num:{_UNLIMITED if context.target.breakpoints else 0};")
        case Echo(text):
            return Text(f"qEcho:{text}")
    assert_never(request)


def _settings(context: Context, request: _SETTINGS) -> Reply:
    if isinstance(request, ListThreadsInStopReply):
        context.list_threads = True
    elif isinstance(request, EnableErrorStrings):
        context.error_style = ErrorStyle.LLDB
    return Ok()


def _host(context: Context, process: bool) -> str:
    host = context.target.host
    if host is None:
        raise UnsupportedError("no host information")
    fields = {
        "triple": host.triple.encode().hex(),
        "ptrsize": host.pointer_bytes,
        "endian": context.target.byte_order,
        "ostype": host.os_type,
        "vendor": host.vendor,
    }
    of_host: dict[str, str | int] = {"vm-page-size": host.page_bytes, "watchpoint_exceptions_received": "after"}
    extra = {"pid": f"{PROCESS:x}"} if process else of_host
    return "".join(f"{name}:{value};" for name, value in {**extra, **fields}.items())


def _register(context: Context, number: int) -> Reply:
    """qRegisterInfo: LLDB asks from 0 until an error. Offsets are into the g packet."""
    layout = context.target.registers.layout
    if number >= len(layout):
        return Failure("no more registers", errno=0x45)
    register = layout[number]
    offset = sum(earlier.bits for earlier in layout[:number]) // 8
    encoding, form = _encoding(register)
    fields = {
        "name": register.name,
        "alt-name": register.alias,
        "bitsize": register.bits,
        "offset": offset,
        "encoding": encoding,
        "format": form,
        "set": register.group,
        "dwarf": "" if register.dwarf is None else register.dwarf,
        "gcc": "" if register.dwarf is None else register.dwarf,
        "generic": register.generic,
    }
    return Text("".join(f"{name}:{value};" for name, value in fields.items() if value != ""))


def _encoding(register: Register) -> tuple[str, str]:
    if register.type in ("ieee_single", "ieee_double", "i387_ext"):
        return "ieee754", "float"
    return ("vector", "vector-uint8") if register.bits > 64 else ("uint", "hex")


def _reason(context: Context, thread: ThreadId) -> StopReason:
    """Why this thread stands: the others were stopped with the one that has a reason."""
    reason = context.target.execution.state()
    if reason is not None and getattr(reason, "thread", thread) == thread:
        return as_caused(context, reason)
    return Signalled(Signal.NONE, thread)


def _thread(context: Context, thread: ThreadId) -> dict[str, object]:
    reason = _reason(context, thread)
    entry: dict[str, object] = {
        "tid": thread,
        "name": describe(context, thread).name,
        "signal": int(signal_of(reason)),
        "reason": lldb_reason(reason),
        "description": description(reason),
        "registers": _shown_registers(context, thread),
    }
    return {name: value for name, value in entry.items() if value != ""}


def _shown_registers(context: Context, thread: ThreadId) -> dict[str, str]:
    shown: dict[str, str] = {}
    registers = context.target.registers
    for number, register in enumerate(registers.layout):
        if register.generic in ("pc", "sp", "fp", "ra", "flags"):
            value = registers.read(thread, number)
            if value is not None:
                shown[str(number)] = value.hex()
    return shown


def _region(context: Context, address: int | None) -> Reply:
    regions = context.target.regions
    if regions is None:
        raise UnsupportedError("no memory regions")
    if address is None:
        return Ok()
    info = regions.region(context.thread(), address)
    fields = f"start:{info.start:x};size:{info.length:x};"
    if info.permissions:
        fields += f"permissions:{info.permissions};"
    if info.name:
        fields += f"name:{info.name.encode().hex()};"
    return Text(fields)
