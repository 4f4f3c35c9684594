"""The descriptor tables of the stopped CPU, as commands need them."""

from __future__ import annotations

from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.descriptor_tables import DescriptorTables, Table, read_table
from vmdbg.x86.descriptors import Segment, segment_from_cache
from vmdbg.x86.task_state import SIZE16, SIZE_WITHOUT_IO_MAP, TaskState, TaskWidth, decode_task_state


def read_prefix(session: Session, address: int, size: int) -> bytes:
    return session.debugger.linear().read_prefix(Linear(address), size)


def is_long(session: Session) -> bool:
    return session.registers.mode.is_long


def read_gdt(session: Session) -> Table:
    read = session.registers.read
    return read_table(
        lambda at, size: read_prefix(session, at, size), read("gdtr_base"), read("gdtr_limit"), long=is_long(session)
    )


def read_ldt(session: Session) -> Table | None:
    """None if LDTR holds none."""
    read = session.registers.read
    if not read("ldtr") & 0xFFFC or not read("ldtr_flags") >> 15 & 1:
        return None
    return read_table(
        lambda at, size: read_prefix(session, at, size),
        read("ldtr_base"),
        read("ldtr_limit"),
        long=is_long(session),
        is_local=True,
    )


def task_segment(session: Session) -> Segment:
    read = session.registers.read
    return segment_from_cache(read("tr_base"), read("tr_limit"), read("tr_flags"))


def read_task(session: Session) -> TaskState | None:
    """The current TSS; None if TR holds none or it cannot be read."""
    segment = task_segment(session)
    kind = segment.system_type
    if not session.registers.read("tr") & 0xFFFC or kind is None or not kind.is_tss:
        return None
    width = TaskWidth.BITS64 if is_long(session) else TaskWidth.BITS16 if kind.value < 4 else TaskWidth.BITS32
    needed = SIZE16 if width is TaskWidth.BITS16 else SIZE_WITHOUT_IO_MAP
    raw = read_prefix(session, segment.base, needed)
    return decode_task_state(raw, width) if len(raw) == needed else None


def all_tables(session: Session) -> DescriptorTables:
    return DescriptorTables(read_gdt(session), read_ldt(session), read_task(session))
