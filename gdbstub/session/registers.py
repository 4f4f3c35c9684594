"""Answers to g G p P."""

from __future__ import annotations

from collections import deque
from typing import assert_never

from gdbstub.errors import TargetError
from gdbstub.replies import Failure, Hex, Ok, Reply, Text
from gdbstub.requests.registers import (
    ReadRegister,
    ReadRegisters,
    RegistersRequest,
    WriteRegister,
    WriteRegisters,
)
from gdbstub.session.context import Context
from gdbstub.stops import ThreadId
from gdbstub.target import Register
from gdbstub.trace import CollectedFrame

MAX_TOLD = 16
"""Calls by hand that may be under way inside one another."""


def answer(context: Context, request: RegistersRequest) -> Reply:
    thread = context.thread(request.thread)
    frame = context.trace.frame
    if frame is not None:
        return _of_frame(context, frame, request)
    match request:
        case ReadRegisters():
            return Hex(context.target.registers.read_all(thread))
        case ReadRegister():
            return _read(context, thread, request.number)
        case WriteRegisters():
            return _write_all(context, thread, request.values)
        case WriteRegister():
            return _write(context, thread, request)
    assert_never(request)


def _of_frame(context: Context, frame: CollectedFrame, request: RegistersRequest) -> Reply:
    """The client looks at a trace frame: what was not collected is not available, and nothing can be written."""
    layout = context.target.registers.layout
    match request:
        case ReadRegisters():
            size, numbers = len(context.target.registers.read_all(context.thread())), []
            for number, register in enumerate(layout):
                size -= register.bits // 8
                if size < 0:
                    break
                numbers.append(number)
            return Text("".join(_collected(frame, number, layout[number].bits) for number in numbers))
        case ReadRegister(number=number) if number < len(layout):
            return Text(_collected(frame, number, layout[number].bits))
        case ReadRegister(number=number):
            return Failure(f"no register {number:#x}")
        case WriteRegister() | WriteRegisters():
            return Failure("this is a trace frame, which cannot be changed: `tfind none` leaves it")
    assert_never(request)


def _collected(frame: CollectedFrame, number: int, bits: int) -> str:
    value = frame.registers.get(number)
    return "xx" * (bits // 8) if value is None else value.hex()


def _read(context: Context, thread: ThreadId, number: int) -> Reply:
    registers = context.target.registers
    layout = registers.layout
    if number >= len(layout):
        return Failure(f"no register {number:#x}")
    value = registers.read(thread, number)
    if value is not None and not layout[number].save_restore:
        context.told.setdefault(number, deque(maxlen=MAX_TOLD)).append(value)
    return Text("xx" * (layout[number].bits // 8)) if value is None else Hex(value)


def _write_all(context: Context, thread: ThreadId, values: bytes) -> Reply:
    registers = context.target.registers
    expected = len(registers.read_all(thread))
    if len(values) != expected:
        return Failure(f"G: {len(values)} bytes of registers, {expected} are expected")
    registers.write_all(thread, values)
    return Ok()


def _write(context: Context, thread: ThreadId, request: WriteRegister) -> Reply:
    registers = context.target.registers
    layout = registers.layout
    if request.number >= len(layout):
        return Failure(f"no register {request.number:#x}")
    register = layout[request.number]
    if len(request.value) * 8 != register.bits:
        return Failure(f"P: {register.name} has {register.bits // 8} bytes, {len(request.value)} were given")
    back = _is_written_back(context, register, request)
    context.last_written = request.number
    try:
        registers.write(thread, request.number, request.value)
    except TargetError:
        if not back:
            raise
    return Ok()


def _is_written_back(context: Context, register: Register, request: WriteRegister) -> bool:
    """Whether this is gdb's putting everything back after a call by hand, of a register that need not be.

    gdb for x86 takes no notice of save-restore="no". It writes all registers in the order of their numbers, nothing
    between, with the values that it was told before the call.
    """
    last = context.last_written
    in_row = last is not None and last < request.number
    return in_row and not register.save_restore and request.value in context.told.get(request.number, ())


def set_pc(context: Context, thread: ThreadId, address: int) -> None:
    """Go on from `address` (c and s with an address). Raises TargetError when no register is the pc."""
    registers = context.target.registers
    for number, register in enumerate(registers.layout):
        if register.generic == "pc":
            size = register.bits // 8
            value = (address & ((1 << register.bits) - 1)).to_bytes(size, context.target.byte_order)
            registers.write(thread, number, value)
            return
    raise TargetError("cannot go on from an address: no register is marked as the pc")
