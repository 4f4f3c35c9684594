"""IDT and IVT as found in memory, each gate checked against the tables it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmdbg.x86.descriptor_tables import LINEAR_BITS, DescriptorTables, ReadPrefix
from vmdbg.x86.descriptors import Gate, Segment, SystemType, UnusedDescriptor, decode_gate
from vmdbg.x86.exceptions import EXCEPTIONS, vector_name
from vmdbg.x86.paging import is_canonical


@dataclass(frozen=True, slots=True)
class IdtEntry:
    """One vector. `target` is the segment that the gate's selector names, if there is one."""

    vector: int
    raw: bytes
    gate: Gate | UnusedDescriptor
    target: Segment | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IvtEntry:
    """One real-mode vector: the handler is at segment * 16 + offset."""

    vector: int
    segment: int
    offset: int

    @property
    def linear(self) -> int:
        return (self.segment << 4) + self.offset


def read_idt(read: ReadPrefix, base: int, limit: int, tables: DescriptorTables, *, long: bool) -> Sequence[IdtEntry]:
    """Decode and check the gates of an IDT that lie whole within the limit. Never raises.

    Vectors that cannot be read are left out: compare the last one with `idt_problems`.
    """
    length = 16 if long else 8
    data = read(base, min(limit + 1, 256 * length))
    entries = []
    for vector in range(len(data) // length):
        raw = data[vector * length : (vector + 1) * length]
        gate = decode_gate(raw, long)
        target = None
        problems: tuple[str, ...] = ()
        if isinstance(gate, Gate):
            named = tables.find(gate.selector)
            target = named if isinstance(named, Segment) else None
            problems = tuple(_gate_problems(gate, target, tables, long)) if gate.present else ()
        elif any(raw):
            problems = ("not a gate that an IDT can hold",)
        entries.append(IdtEntry(vector, raw, gate, target, problems))
    return entries


def idt_problems(base: int, limit: int, entries: Sequence[IdtEntry], *, long: bool) -> tuple[str, ...]:
    """What is wrong with the IDT as a whole: too short, unreadable, exceptions without a gate."""
    problems = []
    held = min((limit + 1) // (16 if long else 8), 256)
    if held < 32:
        problems.append(f"the limit {limit:#x} holds only vectors 0 to {held - 1}" if held else "the table is empty")
    if len(entries) < held:
        problems.append(f"only {len(entries)} of {held} gates can be read at linear {base:#x}")
    absent = [
        vector_name(entry.vector)
        for entry in entries
        if entry.vector in EXCEPTIONS and not (isinstance(entry.gate, Gate) and entry.gate.present)
    ]
    if absent:
        problems.append(f"no gate for {', '.join(absent)}")
    return tuple(problems)


def _gate_problems(gate: Gate, target: Segment | None, tables: DescriptorTables, long: bool) -> Iterator[str]:
    if gate.type in (SystemType.CALL_GATE, SystemType.CALL_GATE16):
        yield "a call gate cannot be in an IDT"
    if gate.type is SystemType.TASK_GATE:
        if target is None or target.system_type is None or not target.system_type.is_tss:
            yield f"selector {gate.selector.value:#x} does not name a TSS"
        return
    if long and not is_canonical(gate.offset, LINEAR_BITS):
        yield f"offset {gate.offset:#x} is not canonical"
    if gate.selector.is_null:
        yield "the selector is null"
    elif target is None:
        yield f"selector {gate.selector.value:#x} names no descriptor"
    else:
        yield from _target_problems(gate, target, long)
    if gate.ist and tables.task is not None and len(tables.task.ist) == 7:
        stack = tables.task.ist[gate.ist - 1]
        if not stack or not is_canonical(stack, LINEAR_BITS):
            yield f"IST{gate.ist} of the TSS is {stack:#x}, which is no stack"


def _target_problems(gate: Gate, target: Segment, long: bool) -> Iterator[str]:
    name = f"selector {gate.selector.value:#x}"
    if not target.is_code:
        yield f"{name} is no code segment but {target.kind}"
        return
    if not target.present:
        yield f"{name} is not present"
    if long and (not target.is_long_code or target.default_big):
        yield f"{name} is no 64-bit code segment but {target.kind}"
    if not long and gate.offset > target.limit:
        yield f"offset {gate.offset:#x} is beyond the limit {target.limit:#x} of {name}"


def read_ivt(read: ReadPrefix, base: int = 0, limit: int = 0x3FF) -> tuple[IvtEntry, ...]:
    """The real-mode vectors that can be read and lie within the limit of IDTR."""
    data = read(base, min(limit + 1, 1024))
    return tuple(
        IvtEntry(
            position >> 2,
            int.from_bytes(data[position + 2 : position + 4], "little"),
            int.from_bytes(data[position : position + 2], "little"),
        )
        for position in range(0, len(data) - 3, 4)
    )
