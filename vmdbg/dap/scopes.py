"""What there is to see in a frame: arguments, locals, registers by group, the CPU's tables."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from dapstub import values
from vmdbg.dap.references import FrameKey, References
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame
from vmdbg.x86.registers import Group


class Variables(enum.Enum):
    """Of a function; the value is the scope's title."""

    ARGUMENTS = "Arguments"
    LOCALS = "Locals"


class CpuTable(enum.Enum):
    """The value is the command that shows it."""

    GDT = "gdt"
    IDT = "idt"
    TSS = "tss"
    CPUS = "cpus"


@dataclass(frozen=True, slots=True)
class VariablesScope:
    frame: FrameKey
    kind: Variables


@dataclass(frozen=True, slots=True)
class RegisterScope:
    """With a frame's own values of those that its caller's code has saved."""

    frame: FrameKey
    group: Group


@dataclass(frozen=True, slots=True)
class TableScope:
    frame: FrameKey


TITLES = {
    Group.GENERAL: "Registers",
    Group.SEGMENT: "Segment registers",
    Group.CONTROL: "Control registers",
    Group.DEBUG: "Debug registers",
    Group.SYSTEM: "System registers",
    Group.X87: "x87",
    Group.SSE: "SSE",
    Group.MSR: "Model specific registers",
    Group.PSEUDO: "Time and mode",
}


def scopes_of(session: Session, references: References, key: FrameKey) -> Sequence[values.Scope]:
    """In the order of their use. Registers but the general ones are of the CPU, and so of the innermost frame."""
    with session.debugger.of(key.cpu):
        frame = session.frames.all()[key.number]
    made = _of_function(references, key, frame)
    groups = list(TITLES) if not frame.physical.number else [Group.GENERAL]
    for group in groups:
        reference = references.add(RegisterScope(key, group))
        hint = "registers" if group is Group.GENERAL else None
        made.append(values.Scope(TITLES[group], reference, group is not Group.GENERAL, presentation_hint=hint))
    if not frame.physical.number:
        made.append(values.Scope("CPU tables", references.add(TableScope(key)), True))
    return made


def _of_function(references: References, key: FrameKey, frame: SourceFrame) -> list[values.Scope]:
    if frame.scope is None:
        return []
    hints = {Variables.ARGUMENTS: "arguments", Variables.LOCALS: "locals"}
    return [
        values.Scope(kind.value, references.add(VariablesScope(key, kind)), False, presentation_hint=hints[kind])
        for kind in Variables
    ]
