"""What each request about a target is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from dapstub import requests, values
from dapstub.errors import NotStoppedError, TargetError
from dapstub.json_values import Json, as_json
from dapstub.requests import Request
from dapstub.spelling import Spelling
from dapstub.target import Target

RUNNING = "the target runs: pause it first"
_STANDING = (
    requests.StackTrace, requests.Scopes, requests.Variables, requests.SetVariable, requests.SetExpression,
    requests.Step, requests.ReverseContinue, requests.RestartFrame, requests.Goto, requests.ReadMemory,
    requests.WriteMemory, requests.Disassemble, requests.ExceptionInfo,
)  # fmt: skip
"""What needs the target to stand."""


class Answers:
    """Of requests of one client."""

    def __init__(self, target: Target, spelling: Spelling) -> None:
        self._target = target
        self._spelling = spelling

    def to(self, request: Request) -> Json:
        """The body of the answer. Raises TargetError."""
        if isinstance(request, _STANDING) and self._target.execution.running:
            raise NotStoppedError(RUNNING)
        match request:
            case requests.Continue(thread):
                return self._go(thread)
            case (
                requests.ReverseContinue()
                | requests.Pause()
                | requests.Step()
                | requests.RestartFrame()
                | requests.Goto()
                | requests.GotoTargets()
                | requests.ExceptionInfo()
            ):
                return self._of_execution(request)
            case requests.Threads() | requests.StackTrace() | requests.Scopes():
                return self._of_stack(request)
            case (
                requests.Variables()
                | requests.SetVariable()
                | requests.SetExpression()
                | requests.Evaluate()
                | requests.Completions()
            ):
                return self._of_data(request)
            case (
                requests.Source()
                | requests.LoadedSources()
                | requests.Modules()
                | requests.Disassemble()
                | requests.ReadMemory()
                | requests.WriteMemory()
            ):
                return self._of_code(request)
            case (
                requests.SetBreakpoints()
                | requests.SetFunctionBreakpoints()
                | requests.SetInstructionBreakpoints()
                | requests.SetDataBreakpoints()
                | requests.SetExceptionBreakpoints()
                | requests.DataBreakpointInfo()
                | requests.BreakpointLocations()
            ):
                return self._of_points(request)
        raise TargetError(f"{type(request).__name__} is not for a target")

    def _go(self, thread: int) -> Json:
        execution = self._target.execution
        if not execution.running:
            execution.go(thread)
        return {"allThreadsContinued": True}

    def _of_execution(
        self,
        request: requests.ReverseContinue
        | requests.Pause
        | requests.Step
        | requests.RestartFrame
        | requests.Goto
        | requests.GotoTargets
        | requests.ExceptionInfo,
    ) -> Json:
        execution = self._target.execution
        match request:
            case requests.ReverseContinue(thread):
                execution.reverse(thread)
            case requests.Pause():
                execution.pause()
            case requests.Step():
                execution.step(request)
            case requests.RestartFrame(frame):
                execution.restart_frame(frame)
            case requests.Goto(thread, target):
                execution.goto(thread, target)
            case requests.GotoTargets(source, line):
                line, source = self._spelling.line_in(line), self._spelling.source_in(source)
                return {"targets": as_json(self._spelling.out(execution.goto_targets(source, line)))}
            case requests.ExceptionInfo(thread):
                return as_json(execution.exception_info(thread))
            case _:
                assert_never(request)
        return {}

    def _of_stack(self, request: requests.Threads | requests.StackTrace | requests.Scopes) -> Json:
        stack = self._target.stack
        match request:
            case requests.Threads():
                return {"threads": as_json(stack.threads())}
            case requests.StackTrace():
                frames, total = stack.stack_trace(request)
                return {"stackFrames": as_json(self._spelling.out(frames)), "totalFrames": total}
            case requests.Scopes(frame):
                return {"scopes": as_json(stack.scopes(frame))}
            case _:
                assert_never(request)

    def _of_data(
        self,
        request: requests.Variables
        | requests.SetVariable
        | requests.SetExpression
        | requests.Evaluate
        | requests.Completions,
    ) -> Json:
        data = self._target.data
        match request:
            case requests.Variables():
                return {"variables": as_json(data.variables(request))}
            case requests.SetVariable():
                return as_json(data.set_variable(request))
            case requests.SetExpression():
                return as_json(data.set_expression(request))
            case requests.Evaluate():
                return as_json(data.evaluate(request))
            case requests.Completions():
                return {"targets": as_json(data.completions(request))}
            case _:
                assert_never(request)

    def _of_code(
        self,
        request: requests.Source
        | requests.LoadedSources
        | requests.Modules
        | requests.Disassemble
        | requests.ReadMemory
        | requests.WriteMemory,
    ) -> Json:
        target = self._target
        match request:
            case requests.Source(source):
                content, mime = target.code.source(self._spelling.source_in(source))
                return {"content": content} | ({"mimeType": mime} if mime else {})
            case requests.LoadedSources():
                return {"sources": as_json([self._spelling.source_out(one) for one in target.code.loaded_sources()])}
            case requests.Modules(start, count):
                found = target.code.modules()
                part = found[start : start + count] if count else found[start:]
                return {"modules": as_json(part), "totalModules": len(found)}
            case requests.Disassemble():
                return {"instructions": as_json(self._spelling.out(target.code.disassemble(request)))}
            case requests.ReadMemory():
                return as_json(target.memory.read(request))
            case requests.WriteMemory():
                return {"bytesWritten": target.memory.write(request)}
            case _:
                assert_never(request)

    def _of_points(
        self,
        request: requests.SetBreakpoints
        | requests.SetFunctionBreakpoints
        | requests.SetInstructionBreakpoints
        | requests.SetDataBreakpoints
        | requests.SetExceptionBreakpoints
        | requests.DataBreakpointInfo
        | requests.BreakpointLocations,
    ) -> Json:
        points, spelling = self._target.points, self._spelling
        match request:
            case requests.SetBreakpoints(source, listed):
                moved = tuple(replace(one, line=spelling.line_in(one.line)) for one in listed)
                return self._set(points.set_lines(requests.SetBreakpoints(spelling.source_in(source), moved)))
            case requests.SetFunctionBreakpoints():
                return self._set(points.set_functions(request))
            case requests.SetInstructionBreakpoints():
                return self._set(points.set_instructions(request))
            case requests.SetDataBreakpoints():
                return self._set(points.set_data(request))
            case requests.SetExceptionBreakpoints():
                return self._set(points.set_exceptions(request))
            case requests.DataBreakpointInfo():
                found = as_json(points.data_info(request))
                assert isinstance(found, dict)
                return {"dataId": None, **found}
            case requests.BreakpointLocations(source, line, end):
                wanted = requests.BreakpointLocations(
                    spelling.source_in(source), spelling.line_in(line), spelling.line_in(end)
                )
                return {"breakpoints": as_json(spelling.out(points.locations(wanted)))}
            case _:
                assert_never(request)

    def _set(self, made: Sequence[values.Breakpoint]) -> Json:
        return {"breakpoints": as_json(self._spelling.out(made))}
