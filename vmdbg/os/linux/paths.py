"""Names of files and mount points: the kernel's d_path() (fs/d_path.c) from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.c.values import Value

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_DEPTH = 256
MAX_NAME = 256


def file_path(kernel: Kernel, file: Value) -> str:
    """The path of an open `struct file`; `pipe:[7]` and the like for what has none."""
    path = file.f_path
    dentry = path.dentry
    if not dentry:
        return ""
    kind = dentry.d_sb.s_type.name.string_(MAX_NAME)
    if kind in ("pipefs", "sockfs"):
        return f"{kind.removesuffix('fs').replace('sock', 'socket')}:[{int(dentry.d_inode.i_ino)}]"
    name = dentry.d_name.name.string_(MAX_NAME)
    if kind == "anon_inodefs":
        return f"anon_inode:{name}"
    return dentry_path(kernel, dentry, path.mnt) + (" (deleted)" if _unhashed(dentry) else "")


def dentry_path(kernel: Kernel, dentry: Value, mount_point: Value) -> str:
    """From the root of all mounts down to a `struct dentry *` in the `struct vfsmount *`."""
    parts: list[str] = []
    position, mounted = int(dentry), _mount(kernel, mount_point)
    for _ in range(MAX_DEPTH):
        one = kernel.object("struct dentry", position)
        if position == int(mounted.mnt.mnt_root):
            parent = int(mounted.mnt_parent)
            if parent == mounted.address_:
                break
            position = int(mounted.mnt_mountpoint)
            mounted = kernel.object("struct mount", parent)
            continue
        above = int(one.d_parent)
        if above == position:
            break
        parts.append(one.d_name.name.string_(MAX_NAME))
        position = above
    return "/" + "/".join(reversed(parts))


def _mount(kernel: Kernel, vfsmount: Value) -> Value:
    return vfsmount.container_of_(kernel.type("struct mount"), "mnt")


def _unhashed(dentry: Value) -> bool:
    return not int(dentry.d_hash.pprev) and int(dentry.d_parent) != int(dentry)
