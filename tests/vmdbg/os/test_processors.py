"""Linux on several CPUs: whose registers are whose, and what each runs."""

from __future__ import annotations

import re

import pytest

from tests.vmdbg.os.conftest import CPUS, Guest
from vmdbg.errors import UserError
from vmdbg.os.linux.operating_system import Linux, LinuxDetector
from vmdbg.os.linux.processors import ranges
from vmdbg.os.seam import FrameKind, NotThereYetError


def looking_at(guest: Guest, cpu: int) -> Linux:
    found = LinuxDetector().detect(guest.view.at(cpu))
    assert found is not None
    return found


def test_each_cpu_of_the_machine_is_known_by_its_number(busy_guest: Guest) -> None:
    processors = busy_guest.linux.kernel.processors
    assert processors.online == processors.possible == tuple(range(CPUS))
    said = len(re.findall(r"CPU\d+", busy_guest.truth.lines("interrupts")[0]))
    assert said == CPUS
    assert [looking_at(busy_guest, cpu).kernel.cpu for cpu in range(CPUS)] == list(range(CPUS))
    assert sorted(processors.views) == list(range(CPUS))


def test_current_is_of_the_cpu_that_is_looked_at(busy_guest: Guest) -> None:
    seen = {}
    for cpu in range(CPUS):
        linux = looking_at(busy_guest, cpu)
        task = linux.current()
        quick = linux.current_locator().read(busy_guest.view.memory, busy_guest.view.at(cpu).register)
        assert quick is not None
        assert (quick.address, quick.pid, quick.name) == (task.address, task.pid, task.name)
        assert linux.names.current().pid == task.pid == busy_guest.linux.names.current(cpu).pid
        assert linux.names.per_cpu("runqueues").curr.pid == task.pid
        assert (task.is_current, task.is_running, task.cpu) == (True, True, cpu)
        seen[task.address] = task
    assert len(seen) == CPUS
    assert [task.address for task in busy_guest.linux.running()] == list(seen)
    assert sum(task.pid > 0 for task in seen.values()) >= CPUS - 1, "loops, and at most one CPU that switches"


def test_running_tasks_are_marked_and_one_of_them_is_current(busy_guest: Guest) -> None:
    tasks = busy_guest.linux.tasks()
    running = {task.cpu: task for task in tasks if task.is_running}
    assert set(running) <= set(range(CPUS))
    assert len(running) >= CPUS - 1
    assert all(task.state in "RS" for task in running.values())
    assert [task.cpu for task in tasks if task.is_current] in ([0], [])


def test_where_a_sleeping_task_was_is_what_proc_stat_says(busy_guest: Guest) -> None:
    said = {}
    for line in busy_guest.truth.lines("stat"):
        if match := re.fullmatch(r"(\d+) \(.*\) (.*)", line):
            said[int(match[1])] = int(match[2].split()[36])
    seen = {task.pid: task.cpu for task in busy_guest.linux.tasks() if task.name == "sleep"}
    shared = set(said) & set(seen)
    assert len(shared) >= 3
    assert {pid: seen[pid] for pid in shared} == {pid: said[pid] for pid in shared}


def test_stacks_of_tasks_on_other_cpus_begin_at_their_registers(busy_guest: Guest) -> None:
    linux = busy_guest.linux
    for cpu, task in enumerate(linux.running()):
        trace = linux.backtrace(task)
        assert trace.complete, trace.stopped
        first = trace.frames[0]
        assert first.pc == busy_guest.view.cpus[cpu].register("rip")
        assert first.kind in (FrameKind.CURRENT, FrameKind.USER)


def test_run_queues_hold_the_loops_and_what_each_cpu_runs(busy_guest: Guest) -> None:
    linux = busy_guest.linux
    queues = linux.run_queues()
    assert [queue.cpu for queue in queues] == list(range(CPUS))
    assert [queue.current.task for queue in queues] == [task.address for task in linux.running()]
    ready = {task.pid for task in linux.tasks() if task.state == "R"}
    for queue in queues:
        delayed = [task for task in queue.queued if task.state != "R"]
        assert queue.count == len(queue.queued) - len(delayed) + (not queue.is_idle)
        assert all(linux.task(task.pid).first_("thread_info.cpu", "cpu") == queue.cpu for task in queue.queued)
    listed = {task.pid for queue in queues for task in (queue.current, *queue.queued) if task.state == "R"} - {0}
    assert listed == ready
    assert len(listed) >= 6
    assert {task.priority for queue in queues for task in queue.queued} <= {"20", "rt 99", "0"}


def test_interrupts_have_a_count_for_each_cpu(busy_guest: Guest) -> None:
    rows = busy_guest.linux.interrupts()
    assert rows
    assert all(len(row.counts) in (0, CPUS) for row in rows)


def test_a_cpu_that_is_not_there_is_refused_by_its_number(busy_guest: Guest) -> None:
    with pytest.raises(UserError, match=r"Linux has no CPU 4: there are 0-3"):
        busy_guest.linux.names.per_cpu("runqueues", CPUS)


def test_a_cpu_that_waits_to_be_started_is_none_of_linuxs(busy_guest: Guest) -> None:
    view = busy_guest.view.at(1)
    parked = dict.fromkeys(view.registers, 0)
    view.registers = parked
    view.cpus[1].registers = parked
    linux = LinuxDetector().detect(view)
    assert linux is not None
    assert linux.kernel.processors.here is None
    assert sorted(linux.kernel.processors.views) == [0, 2, 3]
    with pytest.raises(NotThereYetError, match="Linux on the CPU that is looked at: not there yet"):
        linux.current()
    assert linux.current_locator().read(view.memory, view.register) is None
    assert not any(task.is_current for task in linux.tasks())


def test_ranges() -> None:
    assert [ranges(numbers) for numbers in ((0,), (0, 1, 2), (0, 2, 3, 7))] == ["0", "0-2", "0,2-3,7"]
