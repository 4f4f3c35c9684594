"""The memory map of a process, as /proc/PID/maps (fs/proc/task_mmu.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.paths import file_path
from vmdbg.os.linux.tasks import find_task
from vmdbg.os.linux.trees import maple_entries
from vmdbg.os.linux.walks import guarded
from vmdbg.os.seam import DamagedError
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_AREAS = 1 << 17
_READ, _WRITE, _EXECUTE, _MAY_SHARE = 1, 2, 4, 0x80


@dataclass(frozen=True, slots=True)
class MemoryArea:
    """[start, end) of the process's linear memory; `offset` in bytes into the file."""

    start: Linear
    end: Linear
    permissions: str
    offset: int
    inode: int
    path: str
    address: Linear

    def __str__(self) -> str:
        return f"{self.start:08x}-{self.end:08x} {self.permissions} {self.offset:08x} {self.path}".rstrip()


@guarded("memory map")
def maps(kernel: Kernel, pid: int) -> tuple[MemoryArea, ...]:
    """Empty for a kernel thread. Raises `UserError` if there is no such task."""
    mm = find_task(kernel, pid).mm
    return tuple(_area(kernel, mm, value) for value in _areas(kernel, mm)) if mm else ()


def _areas(kernel: Kernel, mm: Value) -> Iterator[Value]:
    """In a maple tree from 6.1 on, on a list before."""
    if mm.has_("mm_mt"):
        for _, _, entry in maple_entries(kernel, mm.mm_mt, MAX_AREAS):
            yield kernel.object("struct vm_area_struct", entry)
        return
    position = int(mm.mmap)
    seen: set[int] = set()
    while len(seen) < MAX_AREAS and position not in seen:
        if not position:
            return
        seen.add(position)
        value = kernel.object("struct vm_area_struct", position)
        yield value
        position = int(value.vm_next)
    raise DamagedError("memory map", int(mm))


def _area(kernel: Kernel, mm: Value, value: Value) -> MemoryArea:
    assert value.address_ is not None
    start, end, flags = int(value.vm_start), int(value.vm_end), int(value.vm_flags)
    permissions = "".join(
        letter if flags & bit else "-" for bit, letter in ((_READ, "r"), (_WRITE, "w"), (_EXECUTE, "x"))
    )
    file = value.vm_file
    return MemoryArea(
        Linear(start),
        Linear(end),
        permissions + ("s" if flags & _MAY_SHARE else "p"),
        int(value.vm_pgoff) << 12 if file else 0,
        int(file.f_inode.i_ino) if file else 0,
        file_path(kernel, file.dereference_()) if file else _special(kernel, mm, value, start, end),
        Linear(value.address_),
    )


def _special(kernel: Kernel, mm: Value, value: Value, start: int, end: int) -> str:
    if start <= int(mm.brk) and end >= int(mm.start_brk):
        return "[heap]"
    if start <= int(mm.start_stack) < end:
        return "[stack]"
    operations = int(value.vm_ops)
    if operations and operations == kernel.table.find("special_mapping_vmops"):
        mapping = kernel.object("struct vm_special_mapping", int(value.vm_private_data))
        return mapping.member_("name").string_(64)
    return ""
