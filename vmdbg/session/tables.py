"""The descriptor tables of the stopped CPU, as commands need them."""

from __future__ import annotations

from vmdbg.session.known_guest import KnownGuest
from vmdbg.units import Linear
from vmdbg.x86.descriptor_tables import DescriptorTables, Table, read_table
from vmdbg.x86.descriptors import Segment, segment_from_cache
from vmdbg.x86.task_state import SIZE16, SIZE_WITHOUT_IO_MAP, TaskState, TaskWidth, decode_task_state


def read_prefix(guest: KnownGuest, address: int, size: int) -> bytes:
    return guest.debugger.linear().read_prefix(Linear(address), size)


def is_long(guest: KnownGuest) -> bool:
    return guest.registers.mode.is_long


def read_gdt(guest: KnownGuest) -> Table:
    read = guest.registers.read
    return read_table(
        lambda at, size: read_prefix(guest, at, size), read("gdtr_base"), read("gdtr_limit"), long=is_long(guest)
    )


def read_ldt(guest: KnownGuest) -> Table | None:
    """None if LDTR holds none."""
    read = guest.registers.read
    if not read("ldtr") & 0xFFFC or not read("ldtr_flags") >> 15 & 1:
        return None
    return read_table(
        lambda at, size: read_prefix(guest, at, size),
        read("ldtr_base"),
        read("ldtr_limit"),
        long=is_long(guest),
        is_local=True,
    )


def task_segment(guest: KnownGuest) -> Segment:
    read = guest.registers.read
    return segment_from_cache(read("tr_base"), read("tr_limit"), read("tr_flags"))


def read_task(guest: KnownGuest) -> TaskState | None:
    """The current TSS; None if TR holds none or it cannot be read."""
    segment = task_segment(guest)
    kind = segment.system_type
    if not guest.registers.read("tr") & 0xFFFC or kind is None or not kind.is_tss:
        return None
    width = TaskWidth.BITS64 if is_long(guest) else TaskWidth.BITS16 if kind.value < 4 else TaskWidth.BITS32
    needed = SIZE16 if width is TaskWidth.BITS16 else SIZE_WITHOUT_IO_MAP
    raw = read_prefix(guest, segment.base, needed)
    return decode_task_state(raw, width) if len(raw) == needed else None


def all_tables(guest: KnownGuest) -> DescriptorTables:
    return DescriptorTables(read_gdt(guest), read_ldt(guest), read_task(guest))
