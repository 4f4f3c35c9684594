"""How each request is read from a message (specification, "Requests")."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping

from dapstub.errors import BadRequestError
from dapstub.fields import Fields
from dapstub.json_values import Json
from dapstub.requests import (
    MAX_COUNT,
    MAX_MEMORY,
    AccessType,
    Attach,
    BreakpointLocations,
    Cancel,
    Completions,
    Conditions,
    ConfigurationDone,
    Context,
    Continue,
    DataBreakpoint,
    DataBreakpointInfo,
    Disassemble,
    Disconnect,
    Evaluate,
    ExceptionInfo,
    Goto,
    GotoTargets,
    Granularity,
    Initialize,
    InstructionBreakpoint,
    Launch,
    LineBreakpoint,
    LoadedSources,
    Modules,
    NamedBreakpoint,
    Pause,
    ReadMemory,
    Request,
    Restart,
    RestartFrame,
    ReverseContinue,
    Scopes,
    SetBreakpoints,
    SetDataBreakpoints,
    SetExceptionBreakpoints,
    SetExpression,
    SetFunctionBreakpoints,
    SetInstructionBreakpoints,
    SetVariable,
    Source,
    SourceName,
    StackTrace,
    Step,
    StepKind,
    Terminate,
    Threads,
    Variables,
    WriteMemory,
)


def _initialize(fields: Fields) -> Request:
    path_format = fields.text("pathFormat", "path")
    if path_format not in ("path", "uri"):
        raise BadRequestError(f"paths as {path_format!r}")
    return Initialize(
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
    conditions = dict(options)
    return SetExceptionBreakpoints((*((name, conditions.get(name, "")) for name in fields.texts("filters")), *options))


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
