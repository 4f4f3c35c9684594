"""drgn, where it is installed, sees the guest as we do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vmdbg.os.conftest import Guest
from vmdbg.os.linux.drgn_program import drgn_program

drgn = pytest.importorskip("drgn")


def test_drgn_lists_the_same_tasks_symbols_and_stacks(guest: Guest, tmp_path: Path) -> None:
    from drgn.helpers.linux.pid import find_task, for_each_task

    program = drgn_program(guest.linux, tmp_path)
    seen = {(task.pid.value_(), task.comm.string_().decode()) for task in for_each_task(program)}
    assert seen == {(task.pid, task.name) for task in guest.linux.tasks()}
    kernel = guest.linux.kernel
    assert program.symbol(kernel.symbol("vfs_read") + 4).name == "vfs_read"
    assert program.type("struct task_struct").size == kernel.type("struct task_struct").size
    trace = guest.linux.backtrace(next(task for task in guest.linux.tasks() if task.pid == 2))
    mine = [frame.location.symbol.name for frame in trace.frames if frame.location]
    theirs = [frame.name for frame in program.stack_trace(find_task(program, 2))]
    assert [name for name in theirs if name][: len(mine)] == mine


def test_drgn_faults_where_nothing_is_mapped(cloud_guest: Guest, tmp_path: Path) -> None:
    program = drgn_program(cloud_guest.linux, tmp_path)
    with pytest.raises(drgn.FaultError):
        program.read(0x10, 8)


def test_variables_that_helpers_ask_for_are_there_in_every_kernel(guest: Guest, tmp_path: Path) -> None:
    from drgn.helpers.linux.cpumask import for_each_online_cpu
    from drgn.helpers.linux.irq import for_each_irq_desc
    from drgn.helpers.linux.mm import totalram_pages
    from drgn.helpers.linux.printk import get_dmesg
    from drgn.helpers.linux.sched import idle_task, loadavg
    from drgn.helpers.linux.timekeeping import ktime_get_real_seconds
    from drgn.helpers.linux.vmstat import nr_free_pages

    program = drgn_program(guest.linux, tmp_path)
    assert list(for_each_online_cpu(program)) == list(guest.linux.kernel.processors.online)
    total = int(totalram_pages(program))
    assert 0 < int(nr_free_pages(program)) < total < guest.linux.kernel.view.ram_size >> 12
    assert get_dmesg(program).count(b"\n") > 50
    assert idle_task(program, 0).comm.string_() == b"swapper/0"
    assert len(loadavg(program)) == 3
    assert any(desc for _number, desc in for_each_irq_desc(program))
    assert int(ktime_get_real_seconds(program)) > 946_684_800
