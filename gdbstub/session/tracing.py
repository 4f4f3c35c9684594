"""Answers about tracepoints, and what is done at their hits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import assert_never

from gdbstub.agent import Expression, Frame
from gdbstub.breakpoints import BreakpointKind, Tracepoint
from gdbstub.errors import ExpressionError, TargetError, UnsupportedError
from gdbstub.replies import Ok, Reply, Text
from gdbstub.requests.tracing import (
    Action,
    CircularBuffer,
    DefineTracepoint,
    DefineVariable,
    EnableTracepoint,
    FindFrame,
    InitializeTrace,
    NothingToUpload,
    SelectFrame,
    StartTrace,
    StopTrace,
    TracepointActions,
    TracepointStatus,
    TraceSetting,
    TraceStatus,
    TracingRequest,
    VariableValue,
)
from gdbstub.session.collecting import Collector
from gdbstub.session.context import Context
from gdbstub.target import Visit
from gdbstub.trace import BUFFER_BYTES, CollectedFrame, Trace, TraceBuffer, Traced

MAX_TRACEPOINTS = 1024
MAX_ACTIONS = 256
"""Of one tracepoint."""
MAX_STEPS = 10_000
"""Of one tracepoint's while-stepping."""
MAX_STEPPED_HITS = 10_000
"""Hits whose steps are collected; of later ones there are only the hits."""


def answer(context: Context, request: TracingRequest) -> Reply:
    if context.target.breakpoints is None:
        raise UnsupportedError("tracepoints need breakpoints")
    trace = context.trace
    match request:
        case InitializeTrace():
            forget(context)
        case DefineTracepoint() | TracepointActions() | EnableTracepoint() | DefineVariable():
            _define(context, request)
        case StartTrace():
            _start(context)
        case StopTrace():
            _stop(context, "tstop::0")
            _collect_steps(context)
        case TraceSetting():
            pass
        case CircularBuffer(on):
            trace.buffer.circular = on
        case TraceStatus():
            return Text(_status(context))
        case TracepointStatus(number, address):
            traced = _traced(trace, number, address)
            return Text(f"V{traced.hits:x}:{traced.used:x}")
        case VariableValue(number):
            return Text(f"V{trace.variables[number]:x}" if number in trace.variables else "U")
        case NothingToUpload():
            return Text("l")
        case SelectFrame() | FindFrame():
            return Text(_select(context, request))
        case _:
            assert_never(request)
    return Ok()


def _traced(trace: Trace, number: int, address: int) -> Traced:
    if (number, address) not in trace.points:
        raise TargetError(f"no tracepoint {number} at {address:#x}")
    return trace.points[number, address]


def _define(
    context: Context, request: DefineTracepoint | TracepointActions | EnableTracepoint | DefineVariable
) -> None:
    trace = context.trace
    match request:
        case DefineTracepoint(number, address):
            if len(trace.points) >= MAX_TRACEPOINTS:
                raise TargetError(f"more than {MAX_TRACEPOINTS} tracepoints")
            if request.steps > MAX_STEPS:
                raise TargetError(f"while-stepping {request.steps}: at most {MAX_STEPS} steps are collected")
            if (number, address) in trace.points:
                _remove(context, trace.points[number, address])
            trace.points[number, address] = Traced(request)
        case TracepointActions(number, address, actions, step_actions):
            _add_actions(_traced(trace, number, address), actions, step_actions)
        case EnableTracepoint(number, address, enabled):
            traced = _traced(trace, number, address)
            traced.definition = replace(traced.definition, enabled=enabled)
            if trace.running:
                (_insert if enabled else _remove)(context, traced)
        case DefineVariable(number, value):
            trace.variables[number] = value
        case _:
            assert_never(request)


def _add_actions(traced: Traced, actions: Sequence[Action], step_actions: Sequence[Action]) -> None:
    """Once a packet has named the steps, what follows is theirs too."""
    (traced.step_actions if traced.stepping else traced.actions).extend(actions)
    if step_actions:
        traced.stepping = True
        traced.step_actions.extend(step_actions)
    if len(traced.actions) + len(traced.step_actions) > MAX_ACTIONS:
        raise TargetError(f"more than {MAX_ACTIONS} actions of one tracepoint")


def _start(context: Context) -> None:
    trace = context.trace
    circular = trace.buffer.circular
    trace.buffer = TraceBuffer()
    trace.buffer.circular = circular
    trace.owed.clear()
    trace.selected = None
    trace.running, trace.why = True, ""
    try:
        for traced in trace.points.values():
            traced.hits = traced.used = 0
            if traced.definition.enabled:
                _insert(context, traced)
    except TargetError:
        _stop(context, "tstop::0")
        raise


def _insert(context: Context, traced: Traced) -> None:
    port = context.target.breakpoints
    assert port is not None
    _remove(context, traced)
    made = traced.definition
    collect = partial(_hit, context, traced)
    point = Tracepoint(BreakpointKind.SOFTWARE, made.address, 1, number=made.number, collect=collect)
    port.insert(point)
    traced.point = point


def _remove(context: Context, traced: Traced) -> None:
    port, point = context.target.breakpoints, traced.point
    if point is not None and port is not None:
        traced.point = None
        with contextlib.suppress(TargetError):
            port.remove(point)


def _stop(context: Context, why: str) -> None:
    """Hits are ignored from now on; the points themselves may only be taken out while the target stands."""
    trace = context.trace
    if trace.running:
        trace.running, trace.why = False, why


def forget(context: Context) -> None:
    """No tracepoints, no frames: the client starts anew or leaves."""
    for traced in context.trace.points.values():
        _remove(context, traced)
    context.trace = Trace()


def _hit(context: Context, traced: Traced, frame: Frame) -> None:
    trace = context.trace
    if not trace.running:
        return
    moments = context.target.moments
    moment = moments.now() if moments is not None else trace.buffer.created
    definition = traced.definition
    if trace.buffer.knows(moment, definition.number) or not _condition_holds(definition.condition, frame):
        return
    collector = Collector(context.target, context.target.first_thread, trace, frame)
    kept = collector.frame(definition.number, moment, 0, traced.actions)
    if not trace.buffer.add(kept):
        _stop(context, "tfull:0")
        return
    traced.hits += 1
    traced.used += kept.size
    if definition.steps and moments is not None and len(trace.owed) < MAX_STEPPED_HITS:
        trace.owed.append((moment, traced))
    if definition.passes and traced.hits >= definition.passes:
        _stop(context, f"tpasscount:{definition.number:x}")


def _condition_holds(condition: Expression | None, frame: Frame) -> bool:
    """One that cannot be evaluated counts as true, as a breakpoint's does."""
    if condition is None:
        return True
    try:
        return bool(condition.evaluate(frame))
    except ExpressionError:
        return True


def _collect_steps(context: Context) -> None:
    """Go back to each hit whose steps are wanted, and take them. The target comes back to where it stands."""
    trace, moments = context.trace, context.target.moments
    owed, trace.owed = sorted(trace.owed, key=lambda item: item[0]), []
    if moments is not None and owed:
        steps = [_Steps(context, moment, traced) for moment, traced in owed]
        moments.revisit([Visit(step.moment, step.traced.definition.steps, step.take) for step in steps])


@dataclass(slots=True)
class _Steps:
    """The steps after one hit, as they are taken."""

    context: Context
    moment: int
    traced: Traced
    taken: int = 0

    def take(self) -> bool:
        """False when the buffer is full."""
        context, traced = self.context, self.traced
        self.taken += 1
        context.check()
        collector = Collector(context.target, context.target.first_thread, context.trace, None)
        kept = collector.frame(traced.definition.number, self.moment, self.taken, traced.step_actions)
        traced.used += kept.size
        return context.trace.buffer.add(kept)


def _status(context: Context) -> str:
    trace = context.trace
    if not trace.running:
        for traced in trace.points.values():
            _remove(context, traced)
    buffer = trace.buffer
    fields = [
        f"T{int(trace.running)}",
        *([trace.why] if trace.why else []),
        f"tframes:{len(buffer.frames):x}",
        f"tcreated:{buffer.created:x}",
        f"tfree:{BUFFER_BYTES - buffer.used:x}",
        f"tsize:{BUFFER_BYTES:x}",
        f"circular:{int(buffer.circular)}",
        "disconn:0",
    ]
    return ";".join(fields)


def _select(context: Context, request: SelectFrame | FindFrame) -> str:
    trace = context.trace
    _collect_steps(context)
    frames = trace.buffer.frames
    if isinstance(request, SelectFrame):
        number = request.number
        found = number if number is not None and number < len(frames) else None
    else:
        start = trace.selected + 1 if trace.selected is not None else 0
        found = next((index for index in range(start, len(frames)) if _matches(frames[index], request)), None)
    if found is None and not isinstance(request, SelectFrame):
        return "F-1"
    trace.selected = found
    return f"F{found:x}T{frames[found].tracepoint:x}" if found is not None else "F-1"


def _matches(frame: CollectedFrame, request: FindFrame) -> bool:
    if request.tracepoint is not None:
        return frame.tracepoint == request.tracepoint
    return (request.low <= frame.pc <= request.high) is not request.outside


def frame_information(frame: CollectedFrame) -> str:
    """qXfer:traceframe-info: what memory and which variables the frame has."""
    memory = "".join(_memory(frame))
    variables = "".join(f'<tvar id="{number:#x}"/>' for number in frame.variables)
    return f'<?xml version="1.0"?><traceframe-info>{memory}{variables}</traceframe-info>'


def _memory(frame: CollectedFrame) -> Iterator[str]:
    for start, data in frame.memory:
        yield f'<memory start="{start:#x}" length="{len(data):#x}"/>'
