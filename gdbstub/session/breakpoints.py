"""Answers to Z and z, and to QCatchSyscalls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import assert_never

from gdbstub.agent import Expression
from gdbstub.breakpoints import Breakpoint
from gdbstub.errors import TargetError, UnsupportedError
from gdbstub.replies import Ok, Reply
from gdbstub.requests.breakpoints import (
    BreakpointsRequest,
    CatchSystemCalls,
    InsertBreakpoint,
    RemoveBreakpoint,
)
from gdbstub.session import tracing
from gdbstub.session.context import Context

MAX_BREAKPOINTS = 65536
"""Breakpoints one client may hold."""


def answer(context: Context, request: BreakpointsRequest) -> Reply:
    if isinstance(request, CatchSystemCalls):
        return _catch(context, request)
    port = context.target.breakpoints
    if port is None or request.kind not in port.kinds:
        raise UnsupportedError("the target has no such breakpoints")
    match request:
        case InsertBreakpoint(kind, address, length, conditions, commands):
            _refuse_unknown_registers(context, (*conditions, *commands))
            point = Breakpoint(kind, address, length, conditions, commands, context.physical)
            if len(context.breakpoints) >= MAX_BREAKPOINTS and point.key not in context.breakpoints:
                raise TargetError(f"more than {MAX_BREAKPOINTS} breakpoints")
            port.insert(point)
            context.breakpoints[point.key] = point
        case RemoveBreakpoint(kind, address, length):
            key = Breakpoint(kind, address, length, physical=context.physical).key
            if key in context.breakpoints:
                port.remove(context.breakpoints[key])
                del context.breakpoints[key]
        case _:
            assert_never(request)
    return Ok()


def _catch(context: Context, request: CatchSystemCalls) -> Reply:
    port = context.target.system_calls
    if port is None:
        raise UnsupportedError("no operating system whose calls could be caught")
    port.catch(request.numbers)
    context.catches = request.numbers is not None
    return Ok()


def _refuse_unknown_registers(context: Context, expressions: Iterable[Expression]) -> None:
    count = len(context.target.registers.layout)
    for number in frozenset().union(*(expression.registers for expression in expressions)):
        if number >= count:
            raise TargetError(f"Z: agent expression refused: no register {number}")


def remove_all(context: Context) -> None:
    """Take the client's breakpoints and catches out of the target; one that fails does not keep the others."""
    port = context.target.breakpoints
    if port is not None:
        for point in context.breakpoints.values():
            with contextlib.suppress(TargetError):
                port.remove(point)
    context.breakpoints.clear()
    tracing.forget(context)
    if context.catches and context.target.system_calls is not None:
        with contextlib.suppress(TargetError):
            context.target.system_calls.catch(None)
    context.catches = False
