"""Requests as values, and how each is read from a message (specification, "Requests")."""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dapstub.errors import BadRequestError
from dapstub.fields import Fields
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

    client: str
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
    """Filters by name, each with what else is said of it."""

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


def _initialize(fields: Fields) -> Request:
    path_format = fields.text("pathFormat", "path")
    if path_format not in ("path", "uri"):
        raise BadRequestError(f"paths as {path_format!r}")
    return Initialize(
        fields.text("clientID", ""),
        fields.boolean("linesStartAt1", True),
        fields.boolean("columnsStartAt1", True),
        path_format,
        fields.boolean("supportsProgressReporting", False),
        fields.boolean("supportsMemoryEvent", False),
        fields.boolean("supportsInvalidatedEvent", False),
    )


def _disconnect(fields: Fields) -> Request:
    return Disconnect(fields.boolean("terminateDebuggee") if fields.has("terminateDebuggee") else None)


def _cancel(fields: Fields) -> Request:
    return Cancel(fields.integer("requestId") if fields.has("requestId") else None, fields.text("progressId", ""))


def _stack_trace(fields: Fields) -> Request:
    return StackTrace(fields.integer("threadId"), fields.natural("startFrame", 0), fields.natural("levels", 0))


def _variables(fields: Fields) -> Request:
    return Variables(
        fields.integer("variablesReference"),
        fields.natural("start", 0),
        fields.natural("count", 0),
        _hexadecimal(fields),
        fields.text("filter", ""),
    )


def _hexadecimal(fields: Fields) -> bool:
    form = fields.child("format")
    return form is not None and form.boolean("hex", False)


def _set_variable(fields: Fields) -> Request:
    return SetVariable(fields.integer("variablesReference"), fields.text("name"), fields.text("value"))


def _frame(fields: Fields) -> int | None:
    return fields.integer("frameId") if fields.has("frameId") else None


def _set_expression(fields: Fields) -> Request:
    return SetExpression(fields.text("expression"), fields.text("value"), _frame(fields))


def _evaluate(fields: Fields) -> Request:
    word = fields.text("context", "watch")
    context = next((one for one in Context if one.value == word), Context.WATCH)
    return Evaluate(fields.text("expression"), _frame(fields), context, _hexadecimal(fields))


def _completions(fields: Fields) -> Request:
    return Completions(fields.text("text"), fields.integer("column"), _frame(fields))


def _conditions(fields: Fields) -> Conditions:
    return Conditions(fields.text("condition", ""), fields.text("hitCondition", ""), fields.text("logMessage", ""))


def _source_name(fields: Fields) -> SourceName:
    source = fields.child("source") or Fields({}, "source")
    return SourceName(source.text("path", ""), source.text("name", ""), source.integer("sourceReference", 0))


def _set_breakpoints(fields: Fields) -> Request:
    listed = fields.objects("breakpoints")
    if not listed and fields.has("lines"):
        lines = fields.values["lines"]
        listed = tuple(Fields({"line": line}, "lines") for line in (lines if isinstance(lines, list) else [lines]))
    made = tuple(LineBreakpoint(one.integer("line"), _conditions(one)) for one in listed)
    return SetBreakpoints(_source_name(fields), made)


def _set_function_breakpoints(fields: Fields) -> Request:
    return SetFunctionBreakpoints(
        tuple(NamedBreakpoint(one.text("name"), _conditions(one)) for one in fields.objects("breakpoints"))
    )


def _set_instruction_breakpoints(fields: Fields) -> Request:
    return SetInstructionBreakpoints(
        tuple(
            InstructionBreakpoint(one.text("instructionReference"), one.integer("offset", 0), _conditions(one))
            for one in fields.objects("breakpoints")
        )
    )


def _data_breakpoint_info(fields: Fields) -> Request:
    return DataBreakpointInfo(
        fields.text("name"),
        fields.integer("variablesReference", 0),
        _frame(fields),
        fields.natural("bytes") if fields.has("bytes") else None,
        fields.boolean("asAddress", False),
    )


def _set_data_breakpoints(fields: Fields) -> Request:
    made = []
    for one in fields.objects("breakpoints"):
        word = one.text("accessType", "write")
        access = next((access for access in AccessType if access.value == word), None)
        if access is None:
            raise BadRequestError(f"an access of type {word!r}")
        made.append(DataBreakpoint(one.text("dataId"), access, _conditions(one)))
    return SetDataBreakpoints(tuple(made))


def _set_exception_breakpoints(fields: Fields) -> Request:
    options = tuple((one.text("filterId"), one.text("condition", "")) for one in fields.objects("filterOptions"))
    named = {name for name, _ in options}
    return SetExceptionBreakpoints((*options, *((name, "") for name in fields.texts("filters") if name not in named)))


def _breakpoint_locations(fields: Fields) -> Request:
    line = fields.integer("line")
    return BreakpointLocations(_source_name(fields), line, fields.integer("endLine", line))


def _step(kind: StepKind) -> Callable[[Fields], Request]:
    def parse(fields: Fields) -> Request:
        word = fields.text("granularity", "statement")
        granularity = next((one for one in Granularity if one.value == word), None)
        if granularity is None:
            raise BadRequestError(f"steps of a {word!r}")
        return Step(kind, fields.integer("threadId"), granularity)

    return parse


def _read_memory(fields: Fields) -> Request:
    count = fields.natural("count")
    if count > MAX_MEMORY:
        raise BadRequestError(f"{count} bytes of memory at once (at most {MAX_MEMORY})")
    return ReadMemory(fields.text("memoryReference"), fields.integer("offset", 0), count)


def _write_memory(fields: Fields) -> Request:
    try:
        data = base64.b64decode(fields.text("data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f"data that are no base64: {error}") from error
    if len(data) > MAX_MEMORY:
        raise BadRequestError(f"{len(data)} bytes of memory at once (at most {MAX_MEMORY})")
    reference, offset = fields.text("memoryReference"), fields.integer("offset", 0)
    return WriteMemory(reference, offset, data, fields.boolean("allowPartial", False))


def _disassemble(fields: Fields) -> Request:
    count, before = fields.natural("instructionCount"), fields.integer("instructionOffset", 0)
    if count > MAX_COUNT or abs(before) > MAX_COUNT:
        raise BadRequestError(f"{max(count, abs(before))} instructions at once (at most {MAX_COUNT})")
    reference, offset = fields.text("memoryReference"), fields.integer("offset", 0)
    return Disassemble(reference, offset, before, count, fields.boolean("resolveSymbols", True))


PARSERS: Mapping[str, Callable[[Fields], Request]] = {
    "initialize": _initialize,
    "launch": lambda fields: Launch(fields.values),
    "attach": lambda fields: Attach(fields.values),
    "configurationDone": lambda _fields: ConfigurationDone(),
    "disconnect": _disconnect,
    "terminate": lambda _fields: Terminate(),
    "restart": lambda _fields: Restart(),
    "cancel": _cancel,
    "threads": lambda _fields: Threads(),
    "stackTrace": _stack_trace,
    "scopes": lambda fields: Scopes(fields.integer("frameId")),
    "variables": _variables,
    "setVariable": _set_variable,
    "setExpression": _set_expression,
    "evaluate": _evaluate,
    "completions": _completions,
    "setBreakpoints": _set_breakpoints,
    "setFunctionBreakpoints": _set_function_breakpoints,
    "setInstructionBreakpoints": _set_instruction_breakpoints,
    "dataBreakpointInfo": _data_breakpoint_info,
    "setDataBreakpoints": _set_data_breakpoints,
    "setExceptionBreakpoints": _set_exception_breakpoints,
    "breakpointLocations": _breakpoint_locations,
    "continue": lambda fields: Continue(fields.integer("threadId")),
    "reverseContinue": lambda fields: ReverseContinue(fields.integer("threadId")),
    "pause": lambda fields: Pause(fields.integer("threadId", 0)),
    **{kind.value: _step(kind) for kind in StepKind},
    "restartFrame": lambda fields: RestartFrame(fields.integer("frameId")),
    "gotoTargets": lambda fields: GotoTargets(_source_name(fields), fields.integer("line")),
    "goto": lambda fields: Goto(fields.integer("threadId"), fields.integer("targetId")),
    "source": lambda fields: Source(_named(_source_name(fields), fields.integer("sourceReference", 0))),
    "loadedSources": lambda _fields: LoadedSources(),
    "modules": lambda fields: Modules(fields.natural("startModule", 0), fields.natural("moduleCount", 0)),
    "exceptionInfo": lambda fields: ExceptionInfo(fields.integer("threadId")),
    "readMemory": _read_memory,
    "writeMemory": _write_memory,
    "disassemble": _disassemble,
}
"""By the protocol's command."""


def _named(source: SourceName, reference: int) -> SourceName:
    return SourceName(source.path, source.name, source.reference or reference)


def parse(command: str, arguments: Json) -> Request | None:
    """None for a command that is not known. Raises BadRequestError."""
    parser = PARSERS.get(command)
    if parser is None:
        return None
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise BadRequestError(f"arguments of {command} that are no object")
    return parser(Fields(arguments, command))
