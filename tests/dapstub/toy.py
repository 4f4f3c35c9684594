"""A debugger of a program of numbered lines, which runs at once: what a session needs to be tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dapstub import requests, values
from dapstub.errors import NotStoppedError, TargetError
from dapstub.json_values import Json
from dapstub.target import Client, Target

FILTERS = (values.ExceptionFilter("all", "All", "every one"),)


class Toy:
    """Every port of a target in one, with what was asked of it in `asked`."""

    filters = FILTERS

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.client: Client | None = None
        self.running = False
        self.left: list[bool | None] = []
        self.during: list[bytes] = []
        """What the client sends while an expression is evaluated."""
        self.feed = lambda data: None
        self.paused = 0

    def target(self) -> Target:
        return Target(self, self, self, self, self, self)

    # Debugger

    def launch(self, arguments: Mapping[str, Json], client: Client) -> Target:
        if arguments.get("fails"):
            raise TargetError("there is no such {program}")
        self.asked.append(dict(arguments))
        self.client = client
        return self.target()

    attach = launch

    def configured(self) -> None:
        self.stop(values.StopReason.ENTRY)

    def stop(self, reason: values.StopReason) -> None:
        assert self.client is not None
        self.running = False
        self.client.stopped(values.Stopped(reason, 1))

    def restart(self) -> None:
        self.asked.append("restart")

    def disconnect(self, *, terminate: bool | None) -> None:
        self.left.append(terminate)

    # Execution

    def go(self, thread: int, /) -> None:
        self.running = True

    def reverse(self, thread: int, /) -> None:
        self.running = True

    def pause(self) -> None:
        self.paused += 1

    def step(self, step: requests.Step, /) -> None:
        self.asked.append(step)
        self.running = True

    def restart_frame(self, frame: int, /) -> None:
        self.asked.append(frame)

    def goto_targets(self, source: requests.SourceName, line: int, /) -> Sequence[values.GotoTarget]:
        return [values.GotoTarget(1, f"to {source.path}", line)]

    def goto(self, thread: int, target: int, /) -> None:
        self.asked.append(target)

    def exception_info(self, thread: int, /) -> values.ExceptionDetails:
        return values.ExceptionDetails("boom", "always")

    # Stack

    def threads(self) -> Sequence[values.Thread]:
        return [values.Thread(1, "only")]

    def stack_trace(self, request: requests.StackTrace, /) -> tuple[Sequence[values.StackFrame], int]:
        source = values.SourceFile("a b.c", "/src/a b.c")
        return [values.StackFrame(1, "main", 10, 1, source)], 1

    def scopes(self, frame: int, /) -> Sequence[values.Scope]:
        return [values.Scope("Locals", frame, False)]

    # Data

    def variables(self, request: requests.Variables, /) -> Sequence[values.Variable]:
        return [values.Variable("x", "1")]

    def set_variable(self, request: requests.SetVariable, /) -> values.NewValue:
        return values.NewValue(request.value)

    def evaluate(self, request: requests.Evaluate, /) -> values.Evaluated:
        while self.during:
            self.feed(self.during.pop(0))
        if self.paused:
            raise TargetError("it was interrupted")
        if request.expression == "late":
            raise NotStoppedError("it runs")
        return values.Evaluated(request.expression)

    def set_expression(self, request: requests.SetExpression, /) -> values.NewValue:
        return values.NewValue(request.value)

    def completions(self, request: requests.Completions, /) -> Sequence[values.Completion]:
        return [values.Completion("xyz", 0, request.column - 1)]

    # Points

    def set_lines(self, request: requests.SetBreakpoints, /) -> Sequence[values.Breakpoint]:
        self.asked.append(request)
        return [values.Breakpoint(True, line=one.line) for one in request.breakpoints]

    def set_functions(self, request: requests.SetFunctionBreakpoints, /) -> Sequence[values.Breakpoint]:
        return [values.Breakpoint(True) for _ in request.breakpoints]

    def set_instructions(self, request: requests.SetInstructionBreakpoints, /) -> Sequence[values.Breakpoint]:
        return [values.Breakpoint(True) for _ in request.breakpoints]

    def set_data(self, request: requests.SetDataBreakpoints, /) -> Sequence[values.Breakpoint]:
        return [values.Breakpoint(True) for _ in request.breakpoints]

    def data_info(self, request: requests.DataBreakpointInfo, /) -> values.DataInfo:
        return values.DataInfo(None, "nothing", ())

    def set_exceptions(self, request: requests.SetExceptionBreakpoints, /) -> Sequence[values.Breakpoint]:
        return [values.Breakpoint(True) for _ in request.filters]

    def locations(self, request: requests.BreakpointLocations, /) -> Sequence[values.BreakpointPlace]:
        return [values.BreakpointPlace(request.line)]

    # Code and Memory

    def source(self, source: requests.SourceName, /) -> tuple[str, str | None]:
        return f"// {source.path}", None

    def loaded_sources(self) -> Sequence[values.SourceFile]:
        return [values.SourceFile("a.c", "/src/a.c")]

    def modules(self) -> Sequence[values.Module]:
        return [values.Module(str(number), f"m{number}") for number in range(3)]

    def disassemble(self, request: requests.Disassemble, /) -> Sequence[values.Instruction]:
        return [values.Instruction("0x0", "nop")] * request.count

    def read(self, request: requests.ReadMemory, /) -> values.MemoryRead:
        return values.MemoryRead(request.reference)

    def write(self, request: requests.WriteMemory, /) -> int:
        return len(request.data)
