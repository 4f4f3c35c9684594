"""Rows of pages as trees whose parts are shared: what a change costs depends on the change, not on the row."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from operator import is_not
from typing import TypeVar, cast

import xxhash

from vmdbg.timeline.pages import Page

FANOUT = 256
_POINTER = 8
_T = TypeVar("_T")


class Node:
    """Up to FANOUT neighbours, immutable: pages where `span` is 1, else nodes of `span` pages, the last of fewer."""

    __slots__ = ("__weakref__", "_key", "children", "span")

    def __init__(self, span: int, children: Sequence[Page | Node]) -> None:
        self.span = span
        self.children = tuple(children)
        self._key: bytes | None = None

    @property
    def key(self) -> bytes:
        """XXH3-128 over the children's."""
        if self._key is None:
            self._key = xxhash.xxh3_128_digest(b"".join([child.key for child in self.children]))
        return self._key

    def key_with(self, changes: Mapping[int, bytes]) -> bytes:
        """The key that it would have if some pages, by their numbers in it, had other ones."""
        keys = [child.key for child in self.children]
        if self.span == 1:
            for number, key in changes.items():
                keys[number] = key
        else:
            for index, inner in self._by_child(changes).items():
                keys[index] = self._node(index).key_with(inner)
        return xxhash.xxh3_128_digest(b"".join(keys))

    def with_pages(self, changes: Mapping[int, Page]) -> Node:
        """The node with some pages, by their numbers in it, replaced."""
        children = list(self.children)
        if self.span == 1:
            for number, page in changes.items():
                children[number] = page
        else:
            for index, inner in self._by_child(changes).items():
                children[index] = self._node(index).with_pages(inner)
        return Node(self.span, children)

    def page(self, number: int) -> Page:
        node = self
        while True:
            index, number = divmod(number, node.span)
            child = node.children[index]
            if isinstance(child, Page):
                return child
            node = child

    def pages(self, numbers: Iterable[int]) -> list[Page]:
        """The pages of these numbers, quickest where they rise."""
        found, children = list[Page](), tuple[Page, ...]()
        first = end = 0
        for number in numbers:
            if not first <= number < end:
                children, first = self._leaf(number)
                end = first + len(children)
            found.append(children[number - first])
        return found

    def _leaf(self, number: int) -> tuple[tuple[Page, ...], int]:
        """The pages of the node that has it, and the number of the first."""
        node, first = self, 0
        while node.span > 1:
            index = (number - first) // node.span
            first += index * node.span
            node = node._node(index)
        return node._pages, first

    def changed(self, other: Node) -> tuple[array[int], list[Page]]:
        """Where this one differs from another of its shape: numbers, rising, and its own pages.

        In two rows, not in pairs: Python would look through all of these for garbage.
        """
        numbers, pages = array("I"), list[Page]()
        for first, mine, theirs in self._changed_leaves(other, 0):
            pairs = list(map(is_not, mine, theirs))
            numbers.extend(compress(range(first, first + len(pairs)), pairs))
            pages += compress(mine, pairs)
        return numbers, pages

    def _changed_leaves(self, other: Node, first: int) -> Iterator[tuple[int, tuple[Page, ...], tuple[Page, ...]]]:
        if self.span == 1:
            yield first, self._pages, other._pages
            return
        for index in self._unlike(other):
            yield from self._node(index)._changed_leaves(other._node(index), first + index * self.span)

    def _unlike(self, other: Node) -> Iterator[int]:
        """Which children are others than those of another node of this one's shape."""
        assert len(self.children) == len(other.children)
        return compress(count(), map(is_not, self.children, other.children))

    @property
    def _pages(self) -> tuple[Page, ...]:
        assert self.span == 1
        return cast("tuple[Page, ...]", self.children)

    def _node(self, index: int) -> Node:
        child = self.children[index]
        assert isinstance(child, Node)
        return child

    def _by_child(self, changes: Mapping[int, _T]) -> dict[int, dict[int, _T]]:
        """What belongs to pages, by children and the pages' numbers in these."""
        found: dict[int, dict[int, _T]] = {}
        for number, thing in changes.items():
            found.setdefault(number // self.span, {})[number % self.span] = thing
        return found


@functools.lru_cache(maxsize=1024)
def uniform(page: Page, span: int, count: int) -> Node:
    """`count` times the same page. One of a kind, so that rows which were never written share it."""
    if span == 1:
        return Node(1, [page] * count)
    whole, rest = divmod(count, span)
    children = [uniform(page, span // FANOUT, span)] * whole if whole else []
    return Node(span, children + ([uniform(page, span // FANOUT, rest)] if rest else []))


def top_span(count: int) -> int:
    """The span of the root over so many pages: never of pages themselves, so that small rows have the keys of large."""
    span = FANOUT
    while span * FANOUT < count:
        span *= FANOUT
    return span


def size_besides(root: Node, other: Node) -> int:
    """Bytes that one tree takes besides its pages and what it shares with another, place by place."""
    if root is other:
        return 0
    size = len(root.children) * _POINTER
    if root.span > 1:
        size += sum(size_besides(root._node(index), other._node(index)) for index in root._unlike(other))
    return size


def size_together(roots: Iterable[Node]) -> int:
    """Bytes that trees take besides their pages, counting what they share once."""
    seen: set[int] = set()
    left, total = list(roots), 0
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        total += len(node.children) * _POINTER
        if node.span > 1:
            left += [child for child in node.children if isinstance(child, Node) and id(child) not in seen]
    return total
