"""What there is to see in a frame: arguments, locals, statics, registers by group, the CPU's tables."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from dapstub import values
from vmdbg.dap.looking import frame_of
from vmdbg.dap.references import FrameKey, References
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame
from vmdbg.x86.registers import REGISTERS, Group


class Variables(enum.Enum):
    """Of a function; the value is the scope's title."""

    ARGUMENTS = "Arguments"
    LOCALS = "Locals"
    STATICS = "Statics"
    GLOBALS = "Globals of the file"


class CpuTable(enum.Enum):
    """The value is the line that shows it."""

    GDT = "gdt"
    LDT = "ldt"
    IDT = "idt"
    TSS = "tss"
    CONTROL = "flags all"
    PAGES_OF_CODE = "pagewalk rip"
    PAGES_OF_STACK = "pagewalk rsp"
    CPUS = "cpus"


TABLE_TITLES = {
    CpuTable.CONTROL: "Control registers, bit by bit",
    CpuTable.PAGES_OF_CODE: "Page tables of rip",
    CpuTable.PAGES_OF_STACK: "Page tables of rsp",
}
"""Of those that are not called as their command."""


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
    Group.AVX: "AVX",
    Group.MSR: "Model specific registers",
    Group.PSEUDO: "Time and mode",
}


def names_of(session: Session, group: Group) -> list[str]:
    """Of the registers that the CPU's model has."""
    return [one.name for one in REGISTERS if one.group is group and one.name in session.registers]


def scopes_of(session: Session, references: References, key: FrameKey) -> Sequence[values.Scope]:
    """In the order of their use. Registers but the general ones are of the CPU, and so of the innermost frame."""
    with frame_of(session, key) as frame:
        made = _of_function(references, key, frame)
    is_of_cpu = key.task is None and not frame.physical.number
    groups = [one for one in TITLES if names_of(session, one)] if is_of_cpu else [Group.GENERAL]
    for group in groups:
        reference = references.add(RegisterScope(key, group))
        hint = "registers" if group is Group.GENERAL else None
        made.append(values.Scope(TITLES[group], reference, group is not Group.GENERAL, presentation_hint=hint))
    if is_of_cpu:
        made.append(values.Scope("CPU tables", references.add(TableScope(key)), True))
    return made


def _of_function(references: References, key: FrameKey, frame: SourceFrame) -> list[values.Scope]:
    if frame.scope is None:
        return []
    hints = {Variables.ARGUMENTS: "arguments", Variables.LOCALS: "locals"}
    return [
        values.Scope(
            kind.value,
            references.add(VariablesScope(key, kind)),
            expensive=kind not in hints,
            presentation_hint=hints.get(kind),
        )
        for kind in Variables
    ]
