"""What the kernel allocates and frees in small pieces (include/linux/slab.h of 5.10 to 7.x)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmdbg.queries.linux.kernel_calls import KernelCallScan
from vmdbg.queries.linux.known import EVERYBODY, KnownLinux, Who
from vmdbg.queries.rows import SlabRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

_NOPROF = "_noprof"
"""What names end in since allocations are accounted for by their callers (6.10)."""
_SIZE = {
    "__kmalloc": "rdi",
    "__kmalloc_node": "rdi",
    "__kmalloc_track_caller": "rdi",
    "__kmalloc_node_track_caller": "rdi",
    "__kmalloc_large": "rdi",
    "__kmalloc_large_node": "rdi",
    "kmalloc_large": "rdi",
    "kmalloc_large_node": "rdi",
    "kmalloc_order": "rdi",
    "kmalloc_order_trace": "rdi",
    "kmalloc_nolock": "rdi",
    "_kmalloc_nolock": "rdi",
    "kmem_cache_alloc_trace": "rdx",
    "kmalloc_trace": "rdx",
    "__kmalloc_cache": "rdx",
    "kmem_cache_alloc_node_trace": "rcx",
    "kmalloc_node_trace": "rcx",
    "__kmalloc_cache_node": "rcx",
}
"""Where the functions that are told a size get it."""
_OF_CACHE = ("kmem_cache_alloc", "kmem_cache_alloc_node", "kmem_cache_alloc_lru", "kmem_cache_alloc_from_sheaf")
_BULK = "kmem_cache_alloc_bulk"
_FREED = {"kfree": "rdi", "kfree_nolock": "rdi", "kmem_cache_free": "rsi"}
_FREE_BULK = "kmem_cache_free_bulk"
_WRAPPER = "__kvmalloc_node"
"""Calls another of these functions, or since 7.x has one in itself."""
_FREE_LATER = "__kfree_rcu_sheaf"
"""Whether it took the object, which is then freed after a grace period by nobody that is seen."""
MOST_BULK = 1 << 16

_ALLOCATING = (*_SIZE, *_OF_CACHE, _BULK, _WRAPPER)
FUNCTIONS = (
    *_ALLOCATING,
    *(name + _NOPROF for name in _ALLOCATING),
    *_FREED,
    _FREE_BULK,
    _FREE_LATER,
)
ALLOCATED, FREED = "allocated", "freed"


@dataclass(frozen=True, slots=True)
class SlabQuery:
    """Allocations and frees, or one of them; of a size, out of a cache, or of what an address is in."""

    known: KnownLinux
    kinds: frozenset[str] = frozenset({ALLOCATED, FREED})
    who: Who = EVERYBODY
    size: int | None = None
    """Of what was asked for, or of the cache's objects."""
    cache: str = ""
    around: int | None = None

    def begin(self, timeline: Timeline) -> SlabScan:
        return SlabScan(timeline, self)

    def wants(self, row: SlabRow) -> bool:
        """What is not known before a function has returned."""
        if row.what not in self.kinds or not row.address:
            return False
        if self.size is not None and self.size not in (row.size, row.object_size):
            return False
        if self.around is not None:
            size = row.object_size or row.size or 1
            return row.address <= self.around < row.address + size
        return not self.cache or row.cache == self.cache


class SlabScan(KernelCallScan):
    """An allocation's row is made when it begins, for that is its place, and finished when it returns."""

    def __init__(self, timeline: Timeline, query: SlabQuery) -> None:
        freeing = (*_FREED, _FREE_BULK, _FREE_LATER)
        functions = [name for name in FUNCTIONS if ALLOCATED in query.kinds or name in freeing]
        if FREED not in query.kinds:
            functions = [name for name in functions if name not in freeing]
        super().__init__(timeline, query.known, query, functions, frozenset({_WRAPPER, _WRAPPER + _NOPROF}))
        self._query = query
        self._bulk: dict[int, list[SlabRow]] = {}

    def called(self, function: str, caller: Linear, registers: dict[str, int]) -> int | None:
        plain = function.removesuffix(_NOPROF)
        task = self.current()
        if not self._query.who.matches(task):
            return None
        freed = plain in _FREED or plain in (_FREE_BULK, _FREE_LATER)
        size = registers["rdi" if plain == _WRAPPER else _SIZE[plain]] if plain in (*_SIZE, _WRAPPER) else None
        what = FREED if freed else ALLOCATED
        where = self.timeline.position, task.name, task.pid
        row = SlabRow(*where, what, Linear(0), size, "", None, function, caller, self.cpu)
        if plain == _FREE_BULK:
            for address in self._words(registers["rdx"], registers["rsi"]):
                self.add(self._at(row, address))
            return None
        if plain in _FREED:
            address = registers[_FREED[plain]]
            if address > 16:  # NULL and ZERO_SIZE_PTR are freed to no effect
                self.add(self._at(row, address))
            return None
        if plain == _FREE_LATER:
            row = self._at(row, registers["rsi"])
        return self.add(row)

    def returned(self, index: int, function: str, value: int, registers: dict[str, int]) -> None:
        row: SlabRow = self.rows[index]
        plain = function.removesuffix(_NOPROF)
        if plain == _FREE_LATER:
            if not value & 0xFF:
                self.rows[index] = replace(row, address=Linear(0))
        elif plain == _BULK:
            addresses = self._words(registers["rcx"], value & 0xFFFF_FFFF)
            self._bulk[index] = [self._at(row, address) for address in addresses]
        elif value > 16 and not (plain == _WRAPPER and self._is_known(index, value)):
            self.rows[index] = self._at(row, value)

    def _is_known(self, index: int, address: int) -> bool:
        """Whether a call within that of a row allocated what it gives, or nobody here did: vmalloc()."""
        return address in self.given_after(index) or self.known.slab.find(self.read, address) is None

    def given_after(self, index: int) -> frozenset[int]:
        rows = (row.address for row in self.rows[index + 1 :] if row.what == ALLOCATED)
        return frozenset(rows).union(super().given_after(index))

    def _words(self, address: int, count: int) -> list[int]:
        words = (self.read(address + 8 * number, 8) for number in range(min(count, MOST_BULK)))
        return [word for word in words if word]

    def _at(self, row: SlabRow, address: int) -> SlabRow:
        found = self.known.slab.find(self.read, address)
        if found is None:
            return replace(row, address=Linear(address))
        size = row.size
        if row.what == ALLOCATED and size is None:
            size = found.cache.object_size
        return replace(
            row, address=Linear(address), size=size, cache=found.cache.name, object_size=found.cache.object_size
        )

    def rows_of(self, index: int) -> Sequence[SlabRow]:
        return [row for row in self._bulk.get(index, (self.rows[index],)) if self._query.wants(row)]
