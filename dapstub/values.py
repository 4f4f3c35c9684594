"""What is answered and told, with the protocol's names (specification, "Types" and "Events").

Members are spelled as Python has it: as_json() makes `sourceReference` of `source_reference`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from dapstub.json_values import Json


@dataclass(frozen=True, slots=True)
class SourceFile:
    """`path` where the client can open the file itself, `source_reference` where it has to ask for the text."""

    name: str
    path: str | None = None
    source_reference: int | None = None
    presentation_hint: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class StackFrame:
    id: int
    name: str
    line: int
    column: int
    source: SourceFile | None = None
    instruction_pointer_reference: str | None = None
    can_restart: bool | None = None
    module_id: str | None = None
    presentation_hint: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    name: str
    variables_reference: int
    expensive: bool
    presentation_hint: str | None = None
    named_variables: int | None = None
    indexed_variables: int | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """`variables_reference`: 0 if there is nothing inside."""

    name: str
    value: str
    variables_reference: int = 0
    type: str | None = None
    evaluate_name: str | None = None
    memory_reference: str | None = None
    named_variables: int | None = None
    indexed_variables: int | None = None
    presentation_hint: Json = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    result: str
    variables_reference: int = 0
    type: str | None = None
    memory_reference: str | None = None
    named_variables: int | None = None
    indexed_variables: int | None = None


@dataclass(frozen=True, slots=True)
class NewValue:
    """What setVariable and setExpression have made of it."""

    value: str
    variables_reference: int = 0
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """`verified`: it is where the target can stop. `message` says why it is not."""

    verified: bool
    id: int | None = None
    message: str | None = None
    source: SourceFile | None = None
    line: int | None = None
    instruction_reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BreakpointPlace:
    line: int


@dataclass(frozen=True, slots=True)
class DataInfo:
    """`data_id` None: it cannot be watched; `description` says why."""

    data_id: str | None
    description: str
    access_types: Sequence[str]
    can_persist: bool = False


@dataclass(frozen=True, slots=True)
class GotoTarget:
    id: int
    label: str
    line: int
    instruction_pointer_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Module:
    id: str
    name: str
    path: str | None = None
    symbol_status: str | None = None
    symbol_file_path: str | None = None
    address_range: str | None = None


@dataclass(frozen=True, slots=True)
class ExceptionDetails:
    exception_id: str
    break_mode: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """`presentation_hint` "invalid": there is no code there."""

    address: str
    instruction: str
    instruction_bytes: str | None = None
    symbol: str | None = None
    location: SourceFile | None = None
    line: int | None = None
    presentation_hint: str | None = None


@dataclass(frozen=True, slots=True)
class MemoryRead:
    """`data`: base64. `unreadable_bytes`: so many after those."""

    address: str
    data: str | None = None
    unreadable_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """`start` and `length`: what of the text it replaces."""

    label: str
    start: int
    length: int
    text: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class ExceptionFilter:
    filter: str
    label: str
    description: str
    default: bool = False
    supports_condition: bool = False
    condition_description: str | None = None


class StopReason(enum.Enum):
    STEP = "step"
    BREAKPOINT = "breakpoint"
    EXCEPTION = "exception"
    PAUSE = "pause"
    ENTRY = "entry"
    GOTO = "goto"
    FUNCTION_BREAKPOINT = "function breakpoint"
    DATA_BREAKPOINT = "data breakpoint"
    INSTRUCTION_BREAKPOINT = "instruction breakpoint"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Stopped:
    reason: StopReason
    thread_id: int
    description: str | None = None
    text: str | None = None
    all_threads_stopped: bool = True
    hit_breakpoint_ids: Sequence[int] | None = None


class Category(enum.Enum):
    CONSOLE = "console"
    IMPORTANT = "important"
    STDOUT = "stdout"
    STDERR = "stderr"
