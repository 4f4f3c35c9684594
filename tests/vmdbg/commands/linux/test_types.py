"""ptype, symbols and typed values at the prompt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmdbg.commands import catalog
from vmdbg.debugger.points import Space
from vmdbg.errors import UserError
from vmdbg.expressions.place import Aim, Place
from vmdbg.session.session import Session

pytestmark = pytest.mark.timeout(300)


def test_ptype_shows_structs_enums_and_prototypes(linux: Session) -> None:
    shown = linux.execute("ptype struct list_head")
    assert re.search(r"struct list_head \*next; +/\* +0 +8 \*/", shown)
    assert linux.execute("ptype list_head") == shown
    assert "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos);" in linux.execute(
        "ptype vfs_read"
    )
    assert "PIDTYPE_PID = 0," in linux.execute("ptype enum pid_type")
    assert "no type struct nothing" in linux.execute("ptype struct nothing")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("p current().comm", '"swapper/0"'),
        ("p task(1).comm", '"init"'),
        ("p [$lx_pid, $lx_tid, $lx_task == &task]", "[0, 0, True]"),
        ("p ((struct task_struct *)$lx_task).pid", "0"),
        ("p task(1)->real_parent->pid", "0"),
        ("p offsetof(struct list_head, prev)", "8"),
        ("p sizeof(struct list_head)", "0x10 = 16"),
        ("p container_of(task(1).tasks, struct task_struct, tasks).pid", "1"),
        ("p ((struct task_struct *)init_task).comm", '"swapper/0"'),
        ("p *(unsigned int *)&task(1).pid", "1"),
        ("p per_cpu('runqueues').curr.comm", '"swapper/0"'),
        ("p len([one for one in threads() if one.mm]) == len([one for one in threads() if *&one.mm])", "True"),
        ("p task(1).__state == u32(&task(1).__state)", "True"),
        ("p offsetof(struct device, class) == offsetof(struct device, 'class')", "True"),
        ("p task(1)->sched_class == ((struct sched_class *)int(task(1).sched_class))", "True"),
        ("p (&((struct device *)0).class) == offsetof(struct device, class)", "True"),
        ("p *(struct file *)0", "(struct file)<not readable at 0x0>"),
        ("p jiffies + 0 == variable(jiffies), jiffies == variable(jiffies), jiffies < -1", "[True, True, False]"),
        ("p PIDTYPE_TGID == 1 && PIDTYPE_PID == 0 && sizeof(init_task) == sizeof(struct task_struct)", "True"),
        ("p PIDTYPE_TGID", "PIDTYPE_TGID"),
        ("p (pid_t)-1 == -1 && (u32)-1 == 0xffffffff", "True"),
        ("p init_task.pid == 0 and init_task.comm == 'swapper/0'", "True"),
    ],
)
def test_typed_values_at_the_prompt(linux: Session, line: str, answer: str) -> None:
    assert linux.execute(line).strip() == answer


def test_of_what_the_kernel_has_no_type_the_address_is_said_to_be_taken(linux: Session) -> None:
    words = "no type is known of loops_per_jiffy: its address is taken; u32(loops_per_jiffy) or u64(loops_per_jiffy)"
    assert words in linux.execute("print loops_per_jiffy > 5")
    for line in ("print jiffies > 5", "print rip == start_kernel", "print init_task.pid == 0"):
        assert "no type" not in linux.execute(line)


def test_a_typed_value_is_taken_for_the_place_where_it_lies(linux: Session) -> None:
    pid, mm = linux.integer("&task(1).pid"), linux.integer("task(1).mm")
    assert linux.place("task(1).pid", aim=Aim.OBJECT) == Place(Space.LINEAR, pid, 4)
    with pytest.raises(UserError, match=r"pid is a number of 4 bytes and no address; it lies at &task\(1\).pid"):
        linux.place("task(1).pid")
    assert linux.place("task(1).mm", aim=Aim.OBJECT) == Place(Space.LINEAR, linux.integer("&task(1).mm"), 8)
    assert linux.place("task(1).mm").address == linux.place("*task(1).mm", aim=Aim.OBJECT).address == mm
    for aim in (Aim.DATA, Aim.CODE, Aim.OBJECT):
        assert linux.place("task(1).comm", aim=aim).address == linux.integer("&task(1).comm")
        assert linux.place("task(1).mm.start_code + 0", aim=aim).address == linux.integer("task(1).mm.start_code")
    assert linux.place("task(1).mm.start_code").address == linux.integer("task(1).mm.start_code")


def test_typed_values_in_several_lines_and_in_lists(linux: Session) -> None:
    shown = linux.execute("p task(1).fs.root").splitlines()
    assert shown[0] == "(struct path){"
    assert re.fullmatch(r"    \.dentry = \(struct dentry \*\)0xffff[0-9a-f]+,", shown[2])
    children = linux.execute("p entries(task(1).children, struct task_struct, sibling)")
    assert re.match(r"\[\(struct task_struct\)\{\.\.\.\} at 0xffff[0-9a-f]+, \(struct", children)
    assert "no task with pid 99999" in linux.execute("p task(99999).comm")
    assert "no type struct nothing" in linux.execute("p (struct nothing *)5")


def test_symbols_writes_an_elf(linux: Session, tmp_path: Path) -> None:
    path = tmp_path / "guest.elf"
    assert f"symbol-file {path}" in linux.execute(f"symbols {path}")
    assert path.read_bytes().startswith(b"\x7fELF")
    assert "not overwritten" in linux.execute(f"symbols {tmp_path}")
    guarded = Session(linux.debugger, catalog.commands())
    assert "cannot be used here" in guarded.execute(f"symbols {path}")


def test_who_wrote_a_member_is_asked_by_its_name(linux: Session) -> None:
    """It lies elsewhere than at the address that its number would be."""
    assert f"bytes at {linux.integer('&task(1).on_rq'):#x}" in linux.execute("last-write task(1).on_rq")
    linux.run("watch task(1).mm")
    (point,) = linux.debugger.points.watchpoints.values()
    assert (point.address, point.size) == (linux.integer("&task(1).mm"), 8)
    linux.run("delete all")
    assert "a physical one is wanted" in linux.execute("maps --cr3 task(1).mm.pgd")
    assert "1 bit" in linux.execute("set task(1).in_execve = 1")


def test_unsigned_bytes_that_are_text_are_shown_as_text(linux: Session) -> None:
    assert linux.execute("p task(1).fs.root.dentry.d_iname").strip() == '(unsigned char [32])"/"'
    name = linux.execute("p task(1).mm.exe_file.f_path.dentry.d_iname")
    assert name.strip() == '(unsigned char [32])"busybox"'
    pages = linux.execute("p task(1).signal.rlim[0]")
    assert '"' not in pages
