"""The kernel's memory at one instant, whatever page tables the processor happens to use.

Under page-table isolation CR3 shows user space a copy of the tables without the kernel, next to the real ones
(Documentation/arch/x86/pti.rst): bit 12 of CR3 tells which.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from vmdbg.errors import UserError
from vmdbg.os.seam import CpuView, GuestView
from vmdbg.units import Linear, Physical
from vmdbg.x86.linear_memory import LinearMemory, UnmappedLinearError
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import UnmappedPhysicalError

PTI_USER_PGTABLE = 1 << 12
_CR3_FLAGS = 0xFFF
IMAGE_START = 0xFFFF_FFFF_8000_0000
IMAGE_END = 0xFFFF_FFFF_C000_0000
TEXT_ALIGNMENT = 2 << 20
MAX_STRING = 4096


class KernelMemory:
    """Linear reads through the kernel's page tables. Every read raises `UnmappedLinearError`."""

    def __init__(self, view: GuestView) -> None:
        self.view = view
        paging = next(filter(_is_long, (cpu.paging for cpu in (view, *view.cpus))), None) or view.paging
        root = paging.cr3 & ~_CR3_FLAGS
        roots = [root, root & ~PTI_USER_PGTABLE] if root & PTI_USER_PGTABLE else [root]
        self._spaces = [LinearMemory(view.memory, replace(paging, cr3=root)) for root in roots]
        self._frames: dict[int, int] = {}

    @property
    def paging(self) -> Paging:
        return self._spaces[0].paging

    def with_root(self, root: int) -> LinearMemory:
        """The address space whose top page table is at physical `root`."""
        return LinearMemory(self.view.memory, replace(self.paging, cr3=root & ~_CR3_FLAGS))

    def use_root(self, root: int) -> None:
        """Prefer the tables at physical `root`, such as those of the kernel itself."""
        self._spaces.insert(0, self.with_root(root))
        self._frames.clear()

    def translate(self, address: int) -> int | None:
        """Physical address, or None where nothing is mapped."""
        page = address >> 12
        frame = self._frames.get(page)
        if frame is None:
            for space in self._spaces:
                physical = space.translate(Linear(page << 12))
                if physical is not None:
                    frame = self._frames[page] = physical
                    break
            else:
                return None
        return frame | address & 0xFFF

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from linear `address` on."""
        offset = address & 0xFFF
        if offset + size <= 0x1000:
            return self._read_page(address, size)
        chunks = [self._read_page(address, 0x1000 - offset)]
        address += 0x1000 - offset
        size -= 0x1000 - offset
        while size > 0:
            chunks.append(self._read_page(address, min(size, 0x1000)))
            address += 0x1000
            size -= 0x1000
        return b"".join(chunks)

    def _read_page(self, address: int, size: int) -> bytes:
        address &= 0xFFFF_FFFF_FFFF_FFFF
        physical = self.translate(address)
        if physical is None:
            raise UnmappedLinearError(Linear(address), "not mapped by the kernel's page tables")
        try:
            return self.view.memory.read(Physical(physical), size)
        except UnmappedPhysicalError as error:
            raise UnmappedLinearError(Linear(address), f"no memory at physical {physical:#x}") from error

    def u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """`count` 64-bit words."""
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def string(self, address: int, limit: int = MAX_STRING) -> str:
        """The NUL-terminated string at `address`, cut at `limit` bytes or at the end of what is mapped."""
        collected = bytearray()
        while len(collected) < limit:
            position = address + len(collected)
            try:
                chunk = self._read_page(position, min(0x1000 - (position & 0xFFF), limit - len(collected)))
            except UnmappedLinearError:
                if not collected:
                    raise
                break
            end = chunk.find(b"\0")
            if end >= 0:
                collected += chunk[:end]
                break
            collected += chunk
        return collected.decode("utf-8", "replace")

    def read_prefix(self, address: int, size: int) -> bytes:
        """As much of `size` bytes as is there."""
        found = b""
        try:
            while len(found) < size:
                position = address + len(found)
                found += self._read_page(position, min(0x1000 - (position & 0xFFF), size - len(found)))
        except UnmappedLinearError:
            pass
        return found

    def read_image(self, address: int, size: int) -> bytes:
        """As `read`, faster: the kernel's image lies in one piece of physical memory."""
        if not size:
            return b""
        first, last = self.translate(address), self.translate(address + size - 1)
        if first is None or last is None or last - first != size - 1:
            return self.read(address, size)
        try:
            return self.view.memory.read(Physical(first), size)
        except UnmappedPhysicalError as error:
            raise UnmappedLinearError(Linear(address), f"no memory at physical {first:#x}") from error

    def contiguous(self, address: int, size: int) -> bytes:
        """Up to `size` bytes of the physical memory from where `address` is mapped on."""
        physical = self.translate(address)
        if physical is None:
            raise UnmappedLinearError(Linear(address), "not mapped")
        while size >= TEXT_ALIGNMENT:
            try:
                return self.view.memory.read(Physical(physical), size)
            except UnmappedPhysicalError:
                size -= TEXT_ALIGNMENT
        return self.read(address, size)


def _is_long(paging: Paging) -> bool:
    return paging.mode.is_long


def processors_in_long_mode(view: GuestView) -> Iterator[CpuView]:
    """The one that is looked at first: others may be waiting to be started."""
    return (cpu for cpu in (view, *view.cpus) if cpu.paging.mode.is_long)


def kernel_entry_points(view: CpuView, memory: KernelMemory) -> list[int]:
    """Addresses in the kernel's text that a processor knows: IDT gates, LSTAR, RIP; the surest first."""
    candidates = []
    try:
        table = memory.read(view.register("idtr_base"), 16 * 32)
        for low, middle, high in struct.iter_unpack("<H4xHI4x", table):
            candidates.append(low | middle << 16 | high << 32)
    except (UserError, KeyError):
        pass
    for name in ("lstar", "rip"):
        try:
            candidates.append(view.register(name))
        except (UserError, KeyError):
            continue
    return [address for address in candidates if IMAGE_START <= address < IMAGE_END]


def image_base(view: GuestView, memory: KernelMemory) -> int | None:
    """Where the kernel's image begins: mapped in one piece, aligned to 2 MiB, around its entry points."""
    for entry in (entry for cpu in processors_in_long_mode(view) for entry in kernel_entry_points(cpu, memory)):
        base = entry & -TEXT_ALIGNMENT
        physical = memory.translate(base)
        if physical is None:
            continue
        while base > IMAGE_START and memory.translate(base - TEXT_ALIGNMENT) == physical - TEXT_ALIGNMENT:
            base -= TEXT_ALIGNMENT
            physical -= TEXT_ALIGNMENT
        return base
    return None
