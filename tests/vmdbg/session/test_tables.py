"""Descriptor tables of the stopped CPU."""

from __future__ import annotations

from vmdbg.session.session import Session
from vmdbg.session.tables import all_tables, read_gdt, read_ldt, read_task, task_segment


def test_the_tables_of_a_64_bit_kernel(session: Session) -> None:
    gdt = read_gdt(session)
    assert gdt.base == session.registers.read("gdtr_base")
    assert read_ldt(session) is None
    task = read_task(session)
    assert task is not None
    assert task_segment(session).base == session.registers.read("tr_base")
    assert all_tables(session).gdt == gdt


def test_real_mode_has_no_task(real_mode: Session) -> None:
    assert read_task(real_mode) is None
    assert read_ldt(real_mode) is None
