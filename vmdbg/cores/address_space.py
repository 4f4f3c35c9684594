"""How the parts of physical memory are seen at linear addresses: what becomes of an address space in a core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vmdbg.x86.mappings import Mapping, TooManyTablesError, mappings
from vmdbg.x86.paging import Paging
from vmdbg.x86.physical_memory import PhysicalMemory

NOWHERE = 1 << 63
"""Added to a physical address that nothing maps: no CPU with fewer than 64 linear bits has such an address."""
MOST_VIEWS = 16_384
MOST_TABLES, MOST_RANGES = 1 << 14, 1 << 17
"""Looked at in one part of the address space: a sanitizer's shadow, or a hostile guest, has any number of them."""
MOST_CUT = 4
PART = 1 << 39
"""What an entry of a 4-level top table covers."""
MOST_ALIASES = 8
"""Of one place in memory. Linux maps a single page 65,536 times for its ESPFIX stacks."""


@dataclass(frozen=True, slots=True)
class Memory:
    """RAM or ROM at a physical address."""

    physical: int
    data: memoryview

    @property
    def end(self) -> int:
        return self.physical + len(self.data)


@dataclass(frozen=True, slots=True)
class View:
    """Linear [linear, linear + size) reaches physical [physical, physical + size), which is all memory."""

    linear: int
    physical: int
    size: int


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """`direct` has every byte of memory once, in physical order; `others` what is mapped elsewhere besides.

    `left_out` is how many views are in neither.
    """

    direct: tuple[View, ...]
    others: tuple[View, ...]
    left_out: int


def mapped_ranges(
    memory: PhysicalMemory, paging: Paging, checked: Callable[[], None], on_cut: Callable[[int], None]
) -> Iterator[Mapping]:
    """What the page tables map, part by part: where a kernel's image lies, then ascending. Parts that have too many
    tables or ranges are cut off, which `on_cut` is told, and the rest left out once MOST_CUT were. `checked` is
    called between two parts and may raise to end it.
    """
    top = 1 << (64 if paging.mode.is_long else 32)
    half = 1 << paging.mode.linear_bits - 1
    parts = [top - PART, *range(0, half, PART), *range(top - half, top - PART, PART)] if paging.mode.is_long else [0]
    cut = 0
    for start in parts:
        checked()
        count = 0
        whole = True
        try:
            for mapping in mappings(memory, paging, start, min(start + PART, top), MOST_TABLES):
                count += 1
                yield mapping
                if count == MOST_RANGES:
                    whole = False
                    break
        except TooManyTablesError:
            whole = False
        if not whole:
            on_cut(start)
            cut += 1
        if cut == MOST_CUT:
            return


def address_space(memory: Sequence[Memory], found: Iterable[Mapping]) -> AddressSpace:
    """Physical memory is shown at the distance at which most of it is mapped: a kernel's direct map."""
    views = _joined(_in_memory(memory, found))
    distances: Counter[int] = Counter()
    kept: list[View] = []
    aliases: Counter[int] = Counter()
    left_out = 0
    for view in views:
        distances[view.linear - view.physical] += view.size
        aliases[view.physical] += 1
        if aliases[view.physical] > MOST_ALIASES or len(kept) == MOST_VIEWS:
            left_out += 1
        else:
            kept.append(view)
    distance = max(distances, key=lambda one: (distances[one], -one)) if distances else 0
    near = [view for view in kept if view.linear - view.physical == distance]
    others = tuple(view for view in kept if view.linear - view.physical != distance)
    return AddressSpace(tuple(_covering(memory, sorted(near, key=lambda view: view.physical))), others, left_out)


def _in_memory(memory: Sequence[Memory], found: Iterable[Mapping]) -> Iterator[View]:
    for mapping in found:
        assert mapping.physical is not None
        for part in memory:
            low, high = max(mapping.physical, part.physical), min(mapping.physical + mapping.size, part.end)
            if low < high:
                yield View(mapping.start + low - mapping.physical, low, high - low)


def _joined(views: Iterator[View]) -> Iterator[View]:
    """Neighbours in both spaces as one, whatever their rights are."""
    current = next(views, None)
    if current is None:
        return
    for view in views:
        ends = current.linear + current.size, current.physical + current.size
        if ends == (view.linear, view.physical):
            current = View(current.linear, current.physical, current.size + view.size)
        else:
            yield current
            current = view
    yield current


def _covering(memory: Sequence[Memory], mapped: Sequence[View]) -> Iterator[View]:
    """All of memory, cut where a mapped part begins or ends; what lies between is at no address."""
    for part in memory:
        position = part.physical
        for view in mapped:
            low, high = max(view.physical, position), min(view.physical + view.size, part.end)
            if low >= high:
                continue
            if low > position:
                yield View(NOWHERE + position, position, low - position)
            yield View(view.linear + low - view.physical, low, high - low)
            position = high
        if position < part.end:
            yield View(NOWHERE + position, position, part.end - position)
