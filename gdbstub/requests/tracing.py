"""Tracepoints (GDB manual, Tracepoint Packets)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.agent import Expression
from gdbstub.errors import ExpressionError
from gdbstub.requests.parsing import MalformedError, constant, data, flag, number, pair, shown


@dataclass(frozen=True, slots=True)
class Registers:
    """R mask: the registers whose bits are set."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """M basereg,offset,len: `length` bytes at `offset` from a register, or from 0 without one."""

    base: int | None
    offset: int
    length: int


Action = Registers | Memory | Expression


@dataclass(frozen=True, slots=True)
class InitializeTrace:
    """QTinit: forget all tracepoints."""


@dataclass(frozen=True, slots=True)
class DefineTracepoint:
    """QTDP:n:addr:ena:step:pass[:Xlen,bytes]"""

    number: int
    address: int
    enabled: bool
    steps: int
    passes: int
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class TracepointActions:
    """QTDP:-n:addr:[S]action...: what is collected at the tracepoint, and (S) at each step after it."""

    number: int
    address: int
    actions: tuple[Action, ...]
    step_actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class DefineVariable:
    """QTDV:n:value:builtin:name"""

    number: int
    value: int


@dataclass(frozen=True, slots=True)
class EnableTracepoint:
    """QTEnable:n:addr and QTDisable:n:addr"""

    number: int
    address: int
    enabled: bool


@dataclass(frozen=True, slots=True)
class StartTrace:
    """QTStart"""


@dataclass(frozen=True, slots=True)
class StopTrace:
    """QTStop"""


@dataclass(frozen=True, slots=True)
class TraceSetting:
    """QTro, QTNotes, QTDisconnected, QTBuffer:size: taken, and of no effect here."""


@dataclass(frozen=True, slots=True)
class CircularBuffer:
    """QTBuffer:circular:on"""

    on: bool


@dataclass(frozen=True, slots=True)
class TraceStatus:
    """qTStatus"""


@dataclass(frozen=True, slots=True)
class TracepointStatus:
    """qTP:n:addr"""

    number: int
    address: int


@dataclass(frozen=True, slots=True)
class VariableValue:
    """qTV:n"""

    number: int


@dataclass(frozen=True, slots=True)
class NothingToUpload:
    """qTfP qTsP qTfV qTsV: there are only tracepoints and variables that this client has made."""


@dataclass(frozen=True, slots=True)
class SelectFrame:
    """QTFrame:n, None for no frame."""

    number: int | None


@dataclass(frozen=True, slots=True)
class FindFrame:
    """QTFrame:pc:addr, QTFrame:tdp:n, QTFrame:range:a:b, QTFrame:outside:a:b: the next one after the present."""

    tracepoint: int | None = None
    low: int = 0
    high: int = 0
    outside: bool = False


TracingRequest = (
    InitializeTrace
    | DefineTracepoint
    | TracepointActions
    | DefineVariable
    | EnableTracepoint
    | StartTrace
    | StopTrace
    | TraceSetting
    | CircularBuffer
    | TraceStatus
    | TracepointStatus
    | VariableValue
    | NothingToUpload
    | SelectFrame
    | FindFrame
)

_NO_FRAME = 0xFFFFFFFF
_ACTION = re.compile(rb"R([0-9a-fA-F]{1,256})|M(-1|[0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,16})")


def _define(fields: bytes) -> TracingRequest:
    fields = fields.removeprefix(b":").removesuffix(b"-")
    if fields.startswith(b"-"):
        tracepoint, rest = pair(fields[1:], b":", "QTDP")
        address, actions = pair(rest, b":", "QTDP")
        before, _, stepping = actions.partition(b"S")
        place = number(tracepoint, "QTDP"), number(address, "QTDP")
        return TracepointActions(*place, tuple(_actions(before)), tuple(_actions(stepping)))
    parts = fields.split(b":")
    if len(parts) < 5 or parts[2] not in (b"E", b"D"):
        raise MalformedError(f"QTDP: {shown(fields)} is not n:addr:ena:step:pass")
    condition = None
    for option in parts[5:]:
        if option.startswith(b"X"):
            condition, _ = _expression(option)
        else:
            raise MalformedError("QTDP: only plain tracepoints are done here: use trace, not ftrace or strace")
    first, second, steps, passes = (number(parts[index], "QTDP") for index in (0, 1, 3, 4))
    return DefineTracepoint(first, second, parts[2] == b"E", steps, passes, condition)


def _actions(fields: bytes) -> list[Action]:
    found: list[Action] = []
    while fields:
        if fields.startswith(b"X"):
            expression, fields = _expression(fields)
            found.append(expression)
            continue
        match = _ACTION.match(fields)
        if match is None:
            raise MalformedError(f"QTDP: {shown(fields)} is not an action")
        mask, base, offset, length = match.groups()
        if mask is not None:
            bits = int(mask, 16)
            found.append(Registers(tuple(bit for bit in range(bits.bit_length()) if bits >> bit & 1)))
        else:
            # gdb writes -1 as a number of its own width
            register = None if base == b"-1" or int(base, 16) >= 1 << 16 else int(base, 16)
            found.append(Memory(register, int(offset, 16), int(length, 16)))
        fields = fields[match.end() :]
    return found


def _expression(fields: bytes) -> tuple[Expression, bytes]:
    length, rest = pair(fields[1:], b",", "QTDP: expression")
    digits = 2 * number(length, "QTDP: expression length")
    if len(rest) < digits:
        raise MalformedError("QTDP: truncated agent expression")
    try:
        expression = Expression(data(rest[:digits], "QTDP: expression"), tracing=True)
        if expression.loops:
            raise ExpressionError("it loops")
        return expression, rest[digits:]
    except ExpressionError as error:
        raise MalformedError(f"QTDP: agent expression refused: {error}") from None


def _variable(fields: bytes) -> TracingRequest:
    first, value, *_ = [*fields.removeprefix(b":").split(b":"), b""]
    return DefineVariable(number(first, "QTDV"), number(value, "QTDV"))


def _place(fields: bytes, what: str) -> tuple[int, int]:
    first, address = pair(fields.removeprefix(b":"), b":", what)
    return number(first, what), number(address, what)


def _buffer(fields: bytes) -> TracingRequest:
    name, value = pair(fields.removeprefix(b":"), b":", "QTBuffer")
    return CircularBuffer(flag(value, "QTBuffer")) if name == b"circular" else TraceSetting()


def _frame(fields: bytes) -> TracingRequest:
    kind, *values = fields.removeprefix(b":").split(b":")
    numbers = [number(value, "QTFrame") for value in values]
    match kind, numbers:
        case b"pc", [address]:
            return FindFrame(low=address, high=address)
        case b"tdp", [tracepoint]:
            return FindFrame(tracepoint)
        case ((b"range" | b"outside"), [low, high]):
            return FindFrame(low=low, high=high, outside=kind == b"outside")
        case _, []:
            found = number(kind, "QTFrame")
            return SelectFrame(None if found == _NO_FRAME else found)
    raise MalformedError(f"QTFrame: {shown(fields)} says no frame")


PARSERS: Mapping[bytes, Callable[[bytes], TracingRequest]] = {
    b"QTinit": constant(InitializeTrace(), "QTinit"),
    b"QTDP": _define,
    b"QTDV": _variable,
    b"QTEnable": lambda fields: EnableTracepoint(*_place(fields, "QTEnable"), enabled=True),
    b"QTDisable": lambda fields: EnableTracepoint(*_place(fields, "QTDisable"), enabled=False),
    b"QTStart": constant(StartTrace(), "QTStart"),
    b"QTStop": constant(StopTrace(), "QTStop"),
    b"QTro": lambda _: TraceSetting(),
    b"QTNotes": lambda _: TraceSetting(),
    b"QTDisconnected": lambda _: TraceSetting(),
    b"QTBuffer": _buffer,
    b"qTStatus": constant(TraceStatus(), "qTStatus"),
    b"qTP": lambda fields: TracepointStatus(*_place(fields, "qTP")),
    b"qTV": lambda fields: VariableValue(number(fields.removeprefix(b":"), "qTV")),
    b"qTfP": constant(NothingToUpload(), "qTfP"),
    b"qTsP": constant(NothingToUpload(), "qTsP"),
    b"qTfV": constant(NothingToUpload(), "qTfV"),
    b"qTsV": constant(NothingToUpload(), "qTsV"),
    b"QTFrame": _frame,
}
