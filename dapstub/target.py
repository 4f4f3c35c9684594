"""What a debugger offers to a client: the ports that a session asks.

Lines and columns count from 1, and paths are paths: the session spells them as the client wants them. All raise
TargetError for what cannot be done, and NotStoppedError where the target would have to stand for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dapstub import requests, values
from dapstub.json_values import Json


class Client(Protocol):
    """What a target tells the client."""

    def stopped(self, event: values.Stopped) -> None: ...

    def continued(self, thread: int) -> None:
        """All threads run, which the client has not asked for."""
        ...

    def output(self, category: values.Category, text: str) -> None: ...

    def breakpoint_changed(self, point: values.Breakpoint, /) -> None: ...

    def invalidated(self) -> None:
        """What the client knows of variables and stacks is no longer so."""
        ...

    def memory_changed(self, reference: str, offset: int, count: int) -> None:
        """So many bytes from there on are others now, by what the client has changed but by writeMemory."""
        ...

    def progress(self, title: str, done: float | None) -> None:
        """How far something long is, from 0 to 1; None: it is over."""
        ...

    def exited(self, code: int) -> None: ...

    def terminated(self) -> None: ...


class Execution(Protocol):
    """Letting the target run. What is asked for here has begun when it returns: the client hears of the stop later."""

    @property
    def running(self) -> bool: ...

    def go(self, thread: int, /) -> None: ...

    def reverse(self, thread: int, /) -> None: ...

    def pause(self) -> None:
        """Also while another request is worked on: that ends as soon as it can."""
        ...

    def step(self, step: requests.Step, /) -> None: ...

    def restart_frame(self, frame: int, /) -> None: ...

    def goto_targets(self, source: requests.SourceName, line: int, /) -> Sequence[values.GotoTarget]: ...

    def goto(self, thread: int, target: int, /) -> None: ...

    def exception_info(self, thread: int, /) -> values.ExceptionDetails: ...


class Stack(Protocol):
    def threads(self) -> Sequence[values.Thread]: ...

    def stack_trace(self, request: requests.StackTrace, /) -> tuple[Sequence[values.StackFrame], int]:
        """The frames asked for, and how many there are in all."""
        ...

    def scopes(self, frame: int, /) -> Sequence[values.Scope]: ...


class Data(Protocol):
    def variables(self, request: requests.Variables, /) -> Sequence[values.Variable]: ...

    def set_variable(self, request: requests.SetVariable, /) -> values.NewValue: ...

    def evaluate(self, request: requests.Evaluate, /) -> values.Evaluated: ...

    def set_expression(self, request: requests.SetExpression, /) -> values.NewValue: ...

    def completions(self, request: requests.Completions, /) -> Sequence[values.Completion]: ...


class Points(Protocol):
    """Each call says all that there are to be of a kind; the answers are in the order of what was asked."""

    filters: Sequence[values.ExceptionFilter]

    def set_lines(self, request: requests.SetBreakpoints, /) -> Sequence[values.Breakpoint]: ...

    def set_functions(self, request: requests.SetFunctionBreakpoints, /) -> Sequence[values.Breakpoint]: ...

    def set_instructions(self, request: requests.SetInstructionBreakpoints, /) -> Sequence[values.Breakpoint]: ...

    def set_data(self, request: requests.SetDataBreakpoints, /) -> Sequence[values.Breakpoint]: ...

    def data_info(self, request: requests.DataBreakpointInfo, /) -> values.DataInfo: ...

    def set_exceptions(self, request: requests.SetExceptionBreakpoints, /) -> Sequence[values.Breakpoint]: ...

    def locations(self, request: requests.BreakpointLocations, /) -> Sequence[values.BreakpointPlace]: ...


class Code(Protocol):
    def source(self, source: requests.SourceName, /) -> tuple[str, str | None]:
        """Its text, and of which MIME type that is."""
        ...

    def loaded_sources(self) -> Sequence[values.SourceFile]: ...

    def modules(self) -> Sequence[values.Module]: ...

    def disassemble(self, request: requests.Disassemble, /) -> Sequence[values.Instruction]:
        """Exactly as many as were asked for."""
        ...


class Memory(Protocol):
    def read(self, request: requests.ReadMemory, /) -> values.MemoryRead: ...

    def write(self, request: requests.WriteMemory, /) -> int:
        """How many bytes were written."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """What is debugged, from launch or attach on."""

    execution: Execution
    stack: Stack
    data: Data
    points: Points
    code: Code
    memory: Memory


class Debugger(Protocol):
    """Makes the target that a client asks for, and lets go of it."""

    filters: Sequence[values.ExceptionFilter]
    """What exceptions can be caught, said before there is a target."""

    def launch(self, arguments: Mapping[str, Json], client: Client, /) -> Target: ...

    def attach(self, arguments: Mapping[str, Json], client: Client, /) -> Target: ...

    def configured(self) -> None:
        """The client has said all its breakpoints: the target may run, or the client is told where it stands."""
        ...

    def restart(self) -> None: ...

    def disconnect(self, *, terminate: bool | None) -> None:
        """The client leaves, or has left; `terminate`: whether the target is to end, None as it likes."""
        ...
