"""A Linux guest in the hands of a script, with drgn too, at any instant."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmdbg
from tests.vmdbg.os.conftest import own
from tests.vmdbg.os.own_machine import OwnGuest
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick

__all__ = ["own"]
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def guest(own: OwnGuest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vmdbg.Guest:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own.timeline.seek(Position(own.ready))
    return vmdbg.Guest(own.timeline)


def test_scripts_ask_the_system_itself(guest: vmdbg.Guest) -> None:
    linux = guest.linux
    assert linux.names.task(1).comm == "init"
    assert [task.name for task in linux.tasks() if task.parent == 1].count("sleep") >= 1
    guest.seek(0)
    with pytest.raises((UserError, vmdbg.GuestError)):
        _ = guest.linux


def test_a_symbol_is_known_before_the_kernel_tells_its_names(guest: vmdbg.Guest) -> None:
    here = guest.position
    guest.seek(0)
    assert guest.seek("hit:do_sys_openat2") < here
    assert guest.pc == guest.address_of("do_sys_openat2")
    guest.seek(0)
    assert guest.address_of("do_sys_openat2 + 4") == guest.address_of("do_sys_openat2") + 4
    with pytest.raises(UserError, match="no register, symbol or variable 'no_such_name'"):
        guest.seek("hit:no_such_name")
    assert guest.position == guest.start


def test_drgn_at_past_positions_sees_what_we_see(guest: vmdbg.Guest, own: OwnGuest) -> None:
    pytest.importorskip("drgn")
    from drgn.helpers.linux.pid import for_each_task

    guest.seek(own.ready)
    before = guest.digest()
    counts = []
    for tick in (own.ready * 2 // 10, own.ready * 6 // 10, own.ready):
        guest.seek(Tick(tick))
        program = guest.drgn()
        theirs = {(task.pid.value_(), task.comm.string_().decode()) for task in for_each_task(program)}
        assert theirs == {(task.pid, task.name) for task in guest.linux.tasks()}
        counts.append(len(theirs))
    assert counts[0] < counts[-1]
    assert guest.digest() == before


@pytest.mark.cell("tasks, log and counters of any instant", "drgn")
@pytest.mark.cell("the stack of the running task", "drgn")
def test_drgn_knows_the_running_cpu_the_log_and_counters_of_any_instant(guest: vmdbg.Guest) -> None:
    """Each against what vmdbg reads itself: registers, log records, `vm_zone_stat`, the task that runs."""
    pytest.importorskip("drgn")
    from drgn.helpers.linux.percpu import per_cpu
    from drgn.helpers.linux.pid import find_task
    from drgn.helpers.linux.printk import get_dmesg
    from drgn.helpers.linux.sched import cpu_curr
    from drgn.helpers.linux.timekeeping import uptime
    from drgn.helpers.linux.vmstat import nr_free_pages

    times = set()
    for mark in ("hit:vfs_read#3", "hit:vfs_read#200"):
        guest.seek(mark)
        linux, program = guest.linux, guest.drgn()
        task = linux.current()
        mine = [frame.location.symbol.name for frame in linux.backtrace(task).frames if frame.location]
        theirs = program.stack_trace(task.pid)
        assert [frame.name for frame in theirs][: len(mine)] == mine
        assert theirs[0].pc == guest.pc
        assert theirs[0].register("rdi") == guest.registers.rdi
        assert program.stack_trace(find_task(program, 2))[0].name != mine[0]
        assert cpu_curr(program, 0).pid.value_() == task.pid
        assert per_cpu(program["runqueues"], 0).curr.value_() == task.address
        log = get_dmesg(program).decode(errors="replace").splitlines()
        assert log[-1].split("] ", 1)[1] == linux.dmesg()[-1].text.splitlines()[-1]
        kernel = linux.kernel
        assert nr_free_pages(program) == kernel.memory.u64(kernel.symbol("vm_zone_stat"))
        times.add(uptime(program))
    assert len(times) == 2
