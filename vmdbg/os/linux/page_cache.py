"""What the kernel keeps of files in memory, mapped by a process or not (include/linux/fs.h, mm/filemap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.trees import xarray_entries
from vmdbg.os.linux.walks import guarded
from vmdbg.units import Physical
from vmdbg.x86.physical_memory import UnmappedPhysicalError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

PAGE = 4096
_FIXED_VMEMMAP = 0xFFFF_EA00_0000_0000
_SHADOW = 1
"""Entries of pages that were evicted are odd."""


@guarded("page cache")
def first_page(kernel: Kernel, file: Value) -> bytes:
    """The first page of an open `struct file`; empty if it is not in memory."""
    entry = next((entry for index, entry in xarray_entries(kernel, file.f_mapping.i_pages) if not index), 0)
    if not entry or entry & _SHADOW:
        return b""
    base = kernel.memory.u64(kernel.symbol("vmemmap_base")) if kernel.has_symbol("vmemmap_base") else _FIXED_VMEMMAP
    number, rest = divmod(entry - base, kernel.type("struct page").size)
    try:
        return kernel.view.memory.read(Physical(number * PAGE), PAGE) if number >= 0 and not rest else b""
    except UnmappedPhysicalError:
        return b""
