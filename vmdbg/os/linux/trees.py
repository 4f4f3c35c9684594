"""XArrays and maple trees: the kernel's arrays of pointers and its ranges, walked with bounds.

Documentation/core-api/xarray.rst and maple_tree.rst; lib/xarray.c and lib/maple_tree.c for the encodings.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.walks import MAX_ELEMENTS
from vmdbg.os.seam import DamagedError

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_LEVELS = 11
MAX_INDEX = (1 << 64) - 1
_INTERNAL_MASK, _INTERNAL = 3, 2
_LEAST_NODE = 4096
_MAPLE_NODE_MASK = 0xFF
_MAPLE_DENSE, _MAPLE_LEAF, _MAPLE_RANGE, _MAPLE_ALLOCATION = range(4)


def _is_node(entry: int) -> bool:
    return entry & _INTERNAL_MASK == _INTERNAL and entry > _LEAST_NODE


def xarray_entries(kernel: Kernel, xarray: Value, limit: int = MAX_ELEMENTS) -> Iterator[tuple[int, int]]:
    """(index, entry) of each entry, ascending."""
    head = int(xarray.member_("xa_head"))
    if not _is_node(head):
        if head:
            yield 0, head
        return
    yield from _xarray_node(kernel, head, 0, MAX_LEVELS, [limit])


def _xarray_node(kernel: Kernel, entry: int, base: int, depth: int, budget: list[int]) -> Iterator[tuple[int, int]]:
    node = kernel.object("struct xa_node", entry - _INTERNAL)
    if not depth:
        raise DamagedError("xarray (too deep)", entry)
    shift, slots = int(node.member_("shift")), node.member_("slots")
    for position, slot in enumerate(struct.unpack(f"<{len(slots)}Q", slots.bytes_())):
        index = base + (position << shift)
        if _is_node(slot) and shift:
            yield from _xarray_node(kernel, slot, index, depth - 1, budget)
        elif slot and slot & _INTERNAL_MASK != _INTERNAL:
            _spend(budget, entry)
            yield index, slot


def _spend(budget: list[int], address: int) -> None:
    budget[0] -= 1
    if budget[0] < 0:
        raise DamagedError("tree (too many entries)", address)


def maple_entries(kernel: Kernel, tree: Value, limit: int = MAX_ELEMENTS) -> Iterator[tuple[int, int, int]]:
    """(first index, last index, entry) of each range, ascending."""
    root = int(tree.member_("ma_root"))
    if not _is_node(root):
        if root:
            yield 0, 0, root
        return
    yield from _maple_node(kernel, root, 0, MAX_INDEX, MAX_LEVELS * 2, [limit])


def _maple_node(
    kernel: Kernel, encoded: int, low: int, high: int, depth: int, budget: list[int]
) -> Iterator[tuple[int, int, int]]:
    kind, address = encoded >> 3 & 0x0F, encoded & ~_MAPLE_NODE_MASK
    if not depth or kind not in (_MAPLE_LEAF, _MAPLE_RANGE, _MAPLE_ALLOCATION):
        raise DamagedError("maple tree", address)
    shape = "struct maple_arange_64" if kind == _MAPLE_ALLOCATION else "struct maple_range_64"
    node = kernel.object(shape, address)
    pivots = struct.unpack(f"<{len(node.pivot)}Q", node.pivot.bytes_())
    slots = struct.unpack(f"<{len(node.slot)}Q", node.slot.bytes_())
    for position, slot in enumerate(slots):
        last = pivots[position] if position < len(pivots) else high
        if (not last and position) or last > high:
            last = high
        if slot and kind == _MAPLE_LEAF:
            _spend(budget, address)
            yield low, last, slot
        elif slot:
            _spend(budget, address)
            yield from _maple_node(kernel, slot, low, last, depth - 1, budget)
        if last >= high:
            return
        low = last + 1
