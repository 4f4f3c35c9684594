"""The slab allocator's caches, as /proc/slabinfo (mm/slub.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.walks import guarded, list_entries
from vmdbg.os.seam import NotThereYetError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_CACHES = 4096
MAX_PARTIAL = 1 << 16
MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class SlabCache:
    """Sizes in bytes; `slot` includes padding. `active` counts objects on per-CPU slabs as in use."""

    name: str
    object_size: int
    slot: int
    active: int
    total: int
    slabs: int
    address: int


@guarded("slab caches")
def slab_caches(kernel: Kernel) -> tuple[SlabCache, ...]:
    return tuple(_cache(kernel, value) for value in cache_values(kernel))


def cache_values(kernel: Kernel) -> Iterator[Value]:
    """Every `struct kmem_cache`."""
    head = kernel.object("struct list_head", "slab_caches")
    if not int(head.next):
        raise NotThereYetError("slab caches")
    return list_entries(head, kernel.type("struct kmem_cache"), "list", MAX_CACHES)


def _cache(kernel: Kernel, value: Value) -> SlabCache:
    total = slabs = free = 0
    for node in _nodes(kernel, value):
        slabs += int(node.nr_slabs.counter)
        total += int(node.total_objects.counter)
        free += _free_in_partial(kernel, node)
    return SlabCache(
        value.member_("name").string_(MAX_NAME),
        int(value.object_size),
        int(value.size),
        total - free,
        total,
        slabs,
        value.address_ or 0,
    )


def _nodes(kernel: Kernel, value: Value) -> Iterator[Value]:
    """Per NUMA node, as many as the machine has: the array is cut short when it is allocated."""
    count = kernel.memory.u32(kernel.symbol("nr_node_ids")) if kernel.has_symbol("nr_node_ids") else 1
    nodes = value.node if value.has_("node") else value.per_node
    for index in range(min(count, len(nodes) or count)):
        node = nodes[index] if value.has_("node") else nodes[index].node
        if node:
            yield node.dereference_()


def _free_in_partial(kernel: Kernel, node: Value) -> int:
    type_ = kernel.type("struct slab" if kernel.types.has("struct slab") else "struct page")
    return sum(
        int(slab.objects) - int(slab.inuse) for slab in list_entries(node.partial, type_, "slab_list", MAX_PARTIAL)
    )
