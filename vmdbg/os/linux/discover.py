"""Finding Linux in a guest: image, symbols, types; remembered per boot and cached on disk per build."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmdbg.os.linux import kallsyms
from vmdbg.os.linux.btf import MAX_SIZE, NO_TYPES, Btf
from vmdbg.os.linux.cache import Build, Cache
from vmdbg.os.linux.kernel import Kernel
from vmdbg.os.linux.memory import TEXT_ALIGNMENT, KernelMemory, image_base
from vmdbg.os.linux.symbols import KernelTable
from vmdbg.os.seam import DamagedError, GuestView
from vmdbg.units import Linear, Physical
from vmdbg.x86.physical_memory import UnmappedPhysicalError

IMAGE_SIZE = 64 << 20
BANNER = re.compile(rb"Linux version (\S+) [^\0]{10,400}?\n")
_BANNER_START = b"Linux version "
_RODATA_HEAD = 4096
_BUILD_ID = re.compile(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0(.{20})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Boot:
    """What stays the same while one kernel runs."""

    base: int
    banner: bytes
    banner_address: int
    build: Build
    table: KernelTable
    btf: Btf


class Discoverer:
    """Finds the kernel of a guest; a second look at the same boot costs a few page walks."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache
        self._boot: Boot | None = None

    def find(self, view: GuestView) -> Kernel | None:
        """None if no Linux runs here (or not yet). Raises `NotThereYetError`, `DamagedError`."""
        memory = KernelMemory(view)
        base = image_base(view, memory)
        if base is None:
            return None
        found = find_banner(memory, base)
        if found is None:
            return None
        banner, address = found
        boot = self._boot
        if boot is None or (boot.base, boot.banner, boot.banner_address) != (base, banner, address):
            boot = self._boot = self._read(memory, base, banner, address)
        _prefer_kernel_tables(memory, boot.table)
        return Kernel(view, memory, boot.table, boot.btf)

    @property
    def boot(self) -> Boot | None:
        """The boot that was found last."""
        return self._boot

    def _read(self, memory: KernelMemory, base: int, banner: bytes, address: int) -> Boot:
        if self._cache is not None:
            cached = self._cache.load(memory, base, banner)
            if cached is not None:
                return Boot(base, banner, address, *cached)
        build, table, btf = read_boot(memory, base)
        if self._cache is not None:
            self._cache.save(memory, base, banner, build, table, btf)
        return Boot(base, banner, address, build, table, btf)


def find_banner(memory: KernelMemory, base: int) -> tuple[bytes, int] | None:
    """`linux_banner`: it lies at the head of the read-only data, which is aligned like the text.

    The image is one piece of physical memory. Whether what is found there is mapped is looked at last, for a walk costs
    most and most guests' memory has nothing like it.
    """
    start = memory.translate(base)
    if start is None:
        return None
    for offset in range(0, IMAGE_SIZE, TEXT_ALIGNMENT):
        try:
            head = memory.view.memory.read(Physical(start + offset), _RODATA_HEAD)
        except UnmappedPhysicalError:
            return None
        match = BANNER.search(head) if _BANNER_START in head else None
        if match and memory.translate(base + offset) == start + offset:
            return match[0], base + offset + match.start()
    return None


def read_boot(memory: KernelMemory, base: int) -> tuple[Build, KernelTable, Btf]:
    """Symbols and types from the kernel's own tables."""
    image = memory.contiguous(base, IMAGE_SIZE)
    tables = kallsyms.find_tables(image, base)
    table = KernelTable.of(kallsyms.decode(image, base, tables), base)
    start, end = table.find("__start_BTF"), table.find("__stop_BTF")
    if start is None or end is None:  # built without CONFIG_DEBUG_INFO_BTF: names, but no types
        start = end = base
    elif not base <= start < end <= start + MAX_SIZE:
        raise DamagedError("BTF", start)
    data = memory.read_image(start, end - start) or NO_TYPES
    build = Build(
        build_id(image, table, base), tables.names - 16, tables.names_end, tables.token_table,
        tables.offsets, 4 * tables.count, start - base, end - start,
    )  # fmt: skip
    return build, table, Btf(data, None, start)


def build_id(image: bytes, table: KernelTable, base: int) -> str:
    """The kernel's NT_GNU_BUILD_ID note in hexadecimal, "" if it has none."""
    start, end = table.find("__start_notes"), table.find("__stop_notes")
    if start is None or end is None or not base <= start < end <= base + len(image):
        return ""
    match = _BUILD_ID.search(image, start - base, end - base)
    return match[1].hex() if match else ""


def _prefer_kernel_tables(memory: KernelMemory, table: KernelTable) -> None:
    """The kernel's own top page table maps what a task's may lack."""
    address = table.find("init_top_pgt")
    physical = memory.translate(address) if address is not None else None
    if address is None or physical is None:
        return
    if memory.with_root(physical).translate(Linear(address)) == physical:
        memory.use_root(physical)
