"""Which object and cache of the slab allocator an address is in, in a few reads (mm/slub.c, mm/slab.h)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.types import NoSuchTypeError
from vmdbg.os.linux.slab import MAX_NAME, cache_values
from vmdbg.os.linux.walks import guarded

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

ReadInteger = Callable[[int, int], int | None]
"""The little-endian value of some bytes at a linear address; None if they are not there."""
PAGE_SHIFT = 12
FIXED_VMEMMAP = 0xFFFF_EA00_0000_0000
DIRECT_MAP_SIZE = 1 << 46
_TAIL = 1
_TYPE_SHIFT = 24
"""page_type since 6.12: the type is in its highest byte (include/linux/page-flags.h)."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Sizes in bytes: of an object as it was asked for, and of the slot that it takes; `pad` is before it in there."""

    name: str
    object_size: int
    slot: int
    pad: int


@dataclass(frozen=True, slots=True)
class SlabObject:
    """Where an object begins, and its cache."""

    start: int
    cache: Cache


@dataclass(frozen=True, slots=True)
class SlabLocator:
    """Good for a whole boot, but for caches that were not there when it was made.

    `head`, `cache` and `mark` are offsets in `struct page` or `struct slab`: of the word that a tail page points to its
    head with, of the cache, and of what marks a slab: `mark_value` after `mark_shift` and `mark_mask`.
    """

    direct_map: int
    vmemmap: int
    page_size: int
    head: int
    cache: int
    mark: int
    mark_size: int
    mark_shift: int
    mark_mask: int
    mark_value: int
    caches: Mapping[int, Cache]

    def find(self, read: ReadInteger, address: int) -> SlabObject | None:
        """The object that a linear address is in; None if it is in no slab that is known."""
        if not self.direct_map <= address < self.direct_map + DIRECT_MAP_SIZE:
            return None
        page = self.vmemmap + ((address - self.direct_map) >> PAGE_SHIFT) * self.page_size
        page = self._head_of(page, read(page + self.head, 8) or 0)
        mark, cache = read(page + self.mark, self.mark_size), read(page + self.cache, 8)
        known = self.caches.get(cache) if cache is not None else None
        if known is None or mark is None or mark >> self.mark_shift & self.mark_mask != self.mark_value:
            return None
        start = self.direct_map + ((page - self.vmemmap) // self.page_size << PAGE_SHIFT)
        slot = start + (address - start) // known.slot * known.slot
        return SlabObject(slot + known.pad, known)

    def _head_of(self, page: int, word: int) -> int:
        """The first of the pages that one belongs to: a tail page points to it, or since 7.1 has a mask for its own
        address (`compound_info`)."""
        if not word & _TAIL:
            return page
        pages = self.page_size * (DIRECT_MAP_SIZE >> PAGE_SHIFT)
        is_pointer = self.vmemmap <= word < self.vmemmap + pages
        return word - _TAIL if is_pointer else page & word - _TAIL


@guarded("slab caches")
def slab_locator(kernel: Kernel) -> SlabLocator:
    """Raises NotThereYetError before the kernel has caches."""
    page = kernel.type("struct page")
    slab = kernel.type("struct slab") if kernel.types.has("struct slab") else page
    head = next(name for name in ("compound_head", "compound_info") if page.has(name))
    mark, size, shift, mask, value = _mark(kernel)
    vmemmap = kernel.memory.u64(kernel.symbol("vmemmap_base")) if kernel.has_symbol("vmemmap_base") else FIXED_VMEMMAP
    return SlabLocator(
        kernel.memory.u64(kernel.symbol("page_offset_base")),
        vmemmap,
        page.size,
        page.offset_of(head),
        slab.offset_of("slab_cache"),
        mark,
        size,
        shift,
        mask,
        value,
        {
            one.address_ or 0: Cache(
                one.member_("name").string_(MAX_NAME),
                int(one.object_size),
                int(one.size),
                int(one.red_left_pad) if one.has_("red_left_pad") else 0,
            )
            for one in cache_values(kernel)
        },
    )


def _mark(kernel: Kernel) -> tuple[int, int, int, int, int]:
    """Where a page says that it is a slab's: (offset, size, shift, mask, value)."""
    page = kernel.type("struct page")
    try:
        types = {one.name: one.value for one in kernel.type("enum pagetype").enumerators}
    except NoSuchTypeError:
        types = {}
    if "PGTY_slab" in types:
        return page.offset_of("page_type"), 4, _TYPE_SHIFT, 0xFF, types["PGTY_slab"] & 0xFF
    flags = {one.name: one.value for one in kernel.type("enum pageflags").enumerators}
    return page.offset_of("flags"), 8, flags["PG_slab"], 1, 1
