"""Mounted file systems, as /proc/PID/mountinfo lists them (fs/proc_namespace.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.paths import MAX_DEPTH, MAX_NAME, dentry_path
from vmdbg.os.linux.tasks import find_task
from vmdbg.os.linux.walks import guarded, list_entries, rb_entries
from vmdbg.os.seam import NotThereYetError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_MOUNTS = 1 << 14
_MNT_INTERNAL = 0x4000
_SB_RDONLY = 1
_READ_ONLY = 0x40
_OPTIONS = ((0x01, "nosuid"), (0x02, "nodev"), (0x04, "noexec"), (0x08, "noatime"), (0x10, "nodiratime"),
            (0x20, "relatime"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """`options` are those of the mount point; `read_only` is the file system itself."""

    id: int
    parent: int
    source: str
    target: str
    type: str
    options: tuple[str, ...]
    device: tuple[int, int]
    read_only: bool


@guarded("mounts")
def mounts(kernel: Kernel, pid: int = 1) -> tuple[Mount, ...]:
    """In the mount namespace of a task, those that can be reached from its root directory."""
    task = find_task(kernel, pid)
    if not task.nsproxy or not task.nsproxy.mnt_ns or not task.fs:
        raise NotThereYetError("mounts")
    values = _mount_values(kernel, task.nsproxy.mnt_ns)
    rows = {row.id: row for row in (_mount(kernel, value) for value in values if _is_mount(value))}
    root = int(task.fs.root.mnt.container_of_(kernel.type("struct mount"), "mnt").mnt_id)
    return tuple(row for row in rows.values() if _is_below(row, root, rows))


def _is_below(row: Mount, root: int, rows: dict[int, Mount]) -> bool:
    for _ in range(MAX_DEPTH):
        if row.id == root:
            return True
        above = rows.get(row.parent)
        if above is None or above is row:
            return False
        row = above
    return False


def _mount_values(kernel: Kernel, namespace: Value) -> Iterator[Value]:
    """On a list up to 6.7, in a tree from 6.8 on."""
    type_ = kernel.type("struct mount")
    if type_.has("mnt_node"):
        return rb_entries(namespace.mounts, type_, "mnt_node", MAX_MOUNTS)
    return list_entries(namespace.member_("list"), type_, "mnt_list", MAX_MOUNTS)


def _is_mount(value: Value) -> bool:
    """A reader of /proc/mounts leaves a cursor without a superblock on the list."""
    return bool(value.mnt.mnt_sb)


def _mount(kernel: Kernel, value: Value) -> Mount:
    block, flags = value.mnt.mnt_sb, int(value.mnt.mnt_flags)
    device = int(block.s_dev)
    return Mount(
        int(value.mnt_id),
        int(value.mnt_parent.mnt_id),
        value.mnt_devname.string_(MAX_NAME) if value.mnt_devname else "none",
        dentry_path(kernel, value.mnt.mnt_root, value.mnt.pointer_()),
        block.s_type.name.string_(MAX_NAME),
        ("ro" if flags & _READ_ONLY else "rw", *(name for bit, name in _OPTIONS if flags & bit)),
        (device >> 20, device & 0xFFFFF),
        bool(int(block.s_flags) & _SB_RDONLY),
    )
