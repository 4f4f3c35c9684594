"""GDT, LDT and TSS as found in memory, cross-checked: every entry with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vmdbg.x86.descriptors import (
    DEFAULT_BIG,
    LONG,
    Descriptor,
    Gate,
    Segment,
    Selector,
    UnusedDescriptor,
    decode_descriptor,
    descriptor_length,
)
from vmdbg.x86.paging import is_canonical
from vmdbg.x86.task_state import SIZE16, SIZE_WITHOUT_IO_MAP, TaskState, TaskWidth

ReadPrefix = Callable[[int, int], bytes]
"""Reads linear memory: address and size to as many bytes as can be read, as `LinearMemory.read_prefix`."""

MAX_TABLE = 0x1_0000
LINEAR_BITS = 48


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One entry of a GDT or LDT. `selector` is what names it at RPL 0; `problems` are for people."""

    index: int
    selector: int
    raw: bytes
    descriptor: Descriptor
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A GDT or LDT. `problems` concern the table as a whole."""

    base: int
    limit: int
    entries: tuple[TableEntry, ...]
    problems: tuple[str, ...] = ()

    def find(self, selector: Selector) -> Descriptor | None:
        """The descriptor a selector names, None past the end or in the middle of a 16-byte one."""
        return next((e.descriptor for e in self.entries if e.index == selector.index), None)


@dataclass(frozen=True, slots=True)
class DescriptorTables:
    """What an IDT refers to. `task` is the current TSS, for the stacks that gates switch to."""

    gdt: Table
    ldt: Table | None = None
    task: TaskState | None = None

    def find(self, selector: Selector) -> Descriptor | None:
        table = self.ldt if selector.is_local else self.gdt
        return table.find(selector) if table is not None else None


def read_table(read: ReadPrefix, base: int, limit: int, *, long: bool, is_local: bool = False) -> Table:
    """Decode a GDT, or an LDT if `is_local`, of `limit` + 1 bytes at linear `base`. Never raises."""
    size = min(limit + 1, MAX_TABLE)
    data = read(base, size)
    problems = []
    if len(data) < size:
        problems.append(f"only {len(data)} of {size} bytes can be read")
    if size % 8:
        problems.append(f"the limit {limit:#x} ends inside an entry")
    return Table(base, limit, tuple(_table_entries(data, long, is_local)), tuple(problems))


def _table_entries(data: bytes, long: bool, is_local: bool) -> Iterator[TableEntry]:
    position = 0
    while position + 8 <= len(data):
        length = descriptor_length(data[position : position + 8], long)
        raw = data[position : position + length]
        selector = position | (4 if is_local else 0)
        if len(raw) < length:
            cut = UnusedDescriptor(raw)
            yield TableEntry(position >> 3, selector, raw, cut, ("its second half is past the limit",))
            return
        descriptor = decode_descriptor(raw, long)
        unusable = position == 0 and not is_local
        problems = () if unusable else tuple(_descriptor_problems(descriptor, raw, long))
        yield TableEntry(position >> 3, selector, raw, descriptor, problems)
        position += length


def _descriptor_problems(descriptor: Descriptor, raw: bytes, long: bool) -> Iterator[str]:
    if isinstance(descriptor, UnusedDescriptor):
        if not descriptor.is_zero:
            yield "reserved type"
        return
    if len(raw) == 16 and raw[13] & 0x1F:
        yield "type bits of the second half are not zero"
    if isinstance(descriptor, Gate) or not descriptor.present:
        return
    if descriptor.is_code and descriptor.attributes & LONG and descriptor.attributes & DEFAULT_BIG:
        yield "L and D are both set"
    if long and descriptor.is_system and not is_canonical(descriptor.base, LINEAR_BITS):
        yield "the base is not canonical"
    if descriptor.system_type is not None and descriptor.system_type.is_tss:
        least = SIZE16 if descriptor.system_type.value < 4 else SIZE_WITHOUT_IO_MAP
        if descriptor.limit < least - 1:
            yield f"the limit {descriptor.limit:#x} is too small for a TSS, which needs {least - 1:#x}"


def task_problems(task: TaskState, segment: Segment) -> tuple[str, ...]:
    """What is wrong with the current TSS, whose descriptor is `segment`."""
    problems = []
    if task.width is TaskWidth.BITS64:
        named = [(f"RSP{ring}", pointer) for ring, (_, pointer) in enumerate(task.stacks)]
        named += [(f"IST{number}", pointer) for number, pointer in enumerate(task.ist, 1)]
        problems += [f"{name} {p:#x} is not canonical" for name, p in named if not is_canonical(p, LINEAR_BITS)]
    elif task.stacks[0][0] is not None and Selector(task.stacks[0][0]).is_null:
        problems.append("SS0 is null: an interrupt from ring 3 would fault")
    if task.io_map_base is not None and task.io_map_base < SIZE_WITHOUT_IO_MAP <= segment.limit:
        problems.append(f"the I/O bitmap at {task.io_map_base:#x} overlaps the TSS itself")
    return tuple(problems)
