"""Requests as values (specification, "Requests")."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from dapstub.json_values import Json

MAX_COUNT = 1 << 16
"""Instructions, frames or variables in one answer."""
MAX_MEMORY = 1 << 20


class Granularity(enum.Enum):
    STATEMENT = "statement"
    LINE = "line"
    INSTRUCTION = "instruction"


class StepKind(enum.Enum):
    """What of a step request; the value is its command."""

    NEXT = "next"
    IN = "stepIn"
    OUT = "stepOut"
    BACK = "stepBack"


class AccessType(enum.Enum):
    READ = "read"
    WRITE = "write"
    READ_WRITE = "readWrite"


class Context(enum.Enum):
    """Where what is evaluated comes from."""

    WATCH = "watch"
    REPL = "repl"
    HOVER = "hover"
    CLIPBOARD = "clipboard"
    VARIABLES = "variables"


@dataclass(frozen=True, slots=True)
class Initialize:
    """What the client can do. `path_format`: "path" or "uri"."""

    lines_from_1: bool
    columns_from_1: bool
    path_format: str
    progress: bool
    memory_events: bool
    invalidated: bool


@dataclass(frozen=True, slots=True)
class Launch:
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Attach:
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ConfigurationDone:
    pass


@dataclass(frozen=True, slots=True)
class Disconnect:
    """`terminate`: whether the target is to end; None as the debugger likes."""

    terminate: bool | None


@dataclass(frozen=True, slots=True)
class Terminate:
    pass


@dataclass(frozen=True, slots=True)
class Restart:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    """`request` is the number of the request that is no longer wanted."""

    request: int | None
    progress: str


@dataclass(frozen=True, slots=True)
class Threads:
    pass


@dataclass(frozen=True, slots=True)
class StackTrace:
    """`levels` 0: all."""

    thread: int
    start: int
    levels: int


@dataclass(frozen=True, slots=True)
class Scopes:
    frame: int


@dataclass(frozen=True, slots=True)
class Variables:
    """`count` 0: all. `hexadecimal`: numbers are wanted so."""

    reference: int
    start: int
    count: int
    hexadecimal: bool
    filter: str


@dataclass(frozen=True, slots=True)
class SetVariable:
    reference: int
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SetExpression:
    expression: str
    value: str
    frame: int | None


@dataclass(frozen=True, slots=True)
class Evaluate:
    expression: str
    frame: int | None
    context: Context
    hexadecimal: bool


@dataclass(frozen=True, slots=True)
class Completions:
    """`column` of `text` from 1, in UTF-16 code units."""

    text: str
    column: int
    frame: int | None


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of a breakpoint; "" for none. `log`: it writes that, with {expressions} in it, and does not stop."""

    condition: str = ""
    hits: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class LineBreakpoint:
    line: int
    when: Conditions


@dataclass(frozen=True, slots=True)
class SourceName:
    """A source file by its path on the client's side, or by the reference that it was given."""

    path: str
    name: str
    reference: int


@dataclass(frozen=True, slots=True)
class SetBreakpoints:
    """All that there are to be in this source."""

    source: SourceName
    breakpoints: tuple[LineBreakpoint, ...]


@dataclass(frozen=True, slots=True)
class NamedBreakpoint:
    name: str
    when: Conditions


@dataclass(frozen=True, slots=True)
class SetFunctionBreakpoints:
    breakpoints: tuple[NamedBreakpoint, ...]


@dataclass(frozen=True, slots=True)
class InstructionBreakpoint:
    reference: str
    offset: int
    when: Conditions


@dataclass(frozen=True, slots=True)
class SetInstructionBreakpoints:
    breakpoints: tuple[InstructionBreakpoint, ...]


@dataclass(frozen=True, slots=True)
class DataBreakpointInfo:
    """Of a variable in a container, or of an expression; with `is_address` that, for so many bytes."""

    name: str
    reference: int
    frame: int | None
    size: int | None
    is_address: bool


@dataclass(frozen=True, slots=True)
class DataBreakpoint:
    data: str
    access: AccessType
    when: Conditions


@dataclass(frozen=True, slots=True)
class SetDataBreakpoints:
    breakpoints: tuple[DataBreakpoint, ...]


@dataclass(frozen=True, slots=True)
class SetExceptionBreakpoints:
    """Filters by name, each with what else is said of it: those of `filters` first, then those with options, as the
    answer has them. One that is named in both has its condition in both.
    """

    filters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BreakpointLocations:
    source: SourceName
    line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Continue:
    thread: int


@dataclass(frozen=True, slots=True)
class ReverseContinue:
    thread: int


@dataclass(frozen=True, slots=True)
class Pause:
    thread: int


@dataclass(frozen=True, slots=True)
class Step:
    kind: StepKind
    thread: int
    granularity: Granularity


@dataclass(frozen=True, slots=True)
class RestartFrame:
    frame: int


@dataclass(frozen=True, slots=True)
class GotoTargets:
    source: SourceName
    line: int


@dataclass(frozen=True, slots=True)
class Goto:
    thread: int
    target: int


@dataclass(frozen=True, slots=True)
class Source:
    source: SourceName


@dataclass(frozen=True, slots=True)
class LoadedSources:
    pass


@dataclass(frozen=True, slots=True)
class Modules:
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    thread: int


@dataclass(frozen=True, slots=True)
class ReadMemory:
    reference: str
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class WriteMemory:
    reference: str
    offset: int
    data: bytes
    allow_partial: bool


@dataclass(frozen=True, slots=True)
class Disassemble:
    """So many instructions from so many after `reference` and `offset` bytes on; before it, where negative."""

    reference: str
    offset: int
    instruction_offset: int
    count: int
    symbols: bool


Request = (
    Initialize | Launch | Attach | ConfigurationDone | Disconnect | Terminate | Restart | Cancel | Threads | StackTrace
    | Scopes | Variables | SetVariable | SetExpression | Evaluate | Completions | SetBreakpoints
    | SetFunctionBreakpoints | SetInstructionBreakpoints | DataBreakpointInfo | SetDataBreakpoints
    | SetExceptionBreakpoints | BreakpointLocations | Continue | ReverseContinue | Pause | Step | RestartFrame
    | GotoTargets | Goto | Source | LoadedSources | Modules | ExceptionInfo | ReadMemory | WriteMemory | Disassemble
)  # fmt: skip
