"""Open files of a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.paths import file_path
from vmdbg.os.linux.tasks import find_task
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import DamagedError
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_FILES = 1 << 20
_ACCESS = ("r", "w", "rw", "rw")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """`position` is in bytes, `flags` those of open(2); `address` is the `struct file`."""

    descriptor: int
    path: str
    access: str
    flags: int
    position: int
    inode: int
    address: Linear


@guarded("open files")
def files(kernel: Kernel, pid: int) -> tuple[OpenFile, ...]:
    """By ascending descriptor. Raises `UserError` if there is no such task."""
    table = find_task(kernel, pid).files
    if not table:
        return ()
    fdt = table.fdt
    count = int(fdt.max_fds)
    if not 0 <= count <= MAX_FILES:
        raise DamagedError("open files", int(fdt))
    pointers = kernel.memory.words(int(fdt.fd), count)
    return tuple(_open_file(kernel, fd, address) for fd, address in enumerate(pointers) if address)


def _open_file(kernel: Kernel, descriptor: int, address: int) -> OpenFile:
    file = kernel.object("struct file", address)
    flags = int(file.f_flags)
    inode = int(file.f_inode.i_ino) if file.f_inode else 0
    return OpenFile(
        descriptor,
        file_path(kernel, file),
        _ACCESS[flags & 3],
        flags,
        int(file.f_pos),
        inode,
        Linear(address),
    )
