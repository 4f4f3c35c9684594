"""The functions that prompts and scripts get."""

from __future__ import annotations

import pytest

from tests.vmdbg.os.conftest import Guest
from vmdbg.errors import UserError
from vmdbg.os.linux.namespace import Namespace


@pytest.fixture
def names(guest: Guest) -> Namespace:
    return guest.linux.names


def cpus(guest: Guest) -> int:
    """As the guest itself says: /proc/interrupts has a column a CPU."""
    return len(guest.truth.lines("interrupts")[0].split())


def test_tasks_are_reached_from_each_other(names: Namespace, guest: Guest) -> None:
    init = names.task(1)
    assert init.comm == "init"
    assert init.real_parent.comm.string_().startswith("swapper")
    assert init.mm.pgd.dereference_().address_ == int(init.mm.pgd)
    loops = ("init",) if cpus(guest) > 1 else ()
    assert names.current().comm.string_().startswith(("swapper", *loops))
    assert names.container_of(init.tasks, "struct task_struct", "tasks").pid == 1
    assert names.container_of(init.tasks.address_ or 0, "struct task_struct", "tasks").pid == 1
    with pytest.raises(UserError, match="no task with pid 99999"):
        names.task(99999)


def test_children_are_a_list(names: Namespace) -> None:
    children = names.entries(names.task(1).children, "struct task_struct", "sibling")
    assert {child.comm.string_() for child in children} >= {"sleep", "nc", "sh"}
    assert {int(child.real_parent.pid) for child in children} == {1}
    through_pointer = names.task(1).children.pointer_()
    assert len(names.entries(through_pointer, "struct task_struct", "sibling")) == len(children)


def test_sizes_offsets_and_casts(names: Namespace) -> None:
    init = names.task(1)
    assert names.sizeof("struct list_head") == 16
    assert names.sizeof(init) == names.type_of("struct task_struct").size
    assert names.offsetof("struct task_struct", "comm") == (init.comm.address_ or 0) - (init.address_ or 0)
    assert names.cast("struct task_struct *", init.address_ or 0).pid == 1
    assert names.typed("struct task_struct", init.address_ or 0).pid == 1
    assert names.cast("int", 0xFFFF_FFFF_FFFF_FFFF) == -1
    assert names.cast("unsigned char", 0x1FF) == 0xFF


def test_per_cpu_variables_and_globals(names: Namespace, guest: Guest) -> None:
    assert names.variable("init_task").pid == 0
    assert names.per_cpu("runqueues").cpu == 0
    assert names.per_cpu("runqueues").curr.comm == names.current().comm.string_()
    assert int(names.variable("jiffies")) > 0
    with pytest.raises(UserError, match="does not say what type"):
        names.variable("vfs_read")
    assert guest.linux.kernel.processors.online == tuple(range(cpus(guest)))


def test_trees_of_the_kernel(names: Namespace, guest: Guest) -> None:
    areas = guest.linux.maps(1)
    mm = names.task(1).mm
    if mm.has_("mm_mt"):
        assert [first for first, _, _ in names.maple(mm.mm_mt)] == [area.start for area in areas]
    base = names.per_cpu("hrtimer_bases").clock_base[0].active.rb_root
    timers = names.tree_entries(base, "struct hrtimer", "node.node")
    assert [int(timer.node.expires) for timer in timers] == sorted(int(timer.node.expires) for timer in timers)
    assert timers
    cache = names.task(1).fs.root.dentry.d_inode.i_mapping
    assert isinstance(names.xarray(cache.i_pages), list)


def test_module_types_are_found(names: Namespace, guest: Guest) -> None:
    if guest.linux.kernel.module_types:
        assert names.type_of("struct loop_device").has("lo_number")
        assert names.sizeof("struct brd_device") > 0
