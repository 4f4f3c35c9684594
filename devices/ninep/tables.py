"""Nodes, entries and fids of a share, and who refers to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devices.ninep.node import WHITEOUT, Entry, Fid, Node

MOST_NODES, MOST_FIDS = 1 << 18, 1 << 16
"""More than that are refused."""


class Tables:
    """The state, with what follows from it.

    Invariants: `places` are the entries of each node, `children` those in it, `held` how many fids have it; each is
    there where it is not empty. A node that nothing refers to and that is as the folder has it is forgotten.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] | None = None
        self.clear()

    def clear(self) -> None:
        """Nothing is there."""
        self.nodes: dict[int, Node] = {}
        self.entries: dict[tuple[int, bytes], int] = {}
        self.fids: dict[int, Fid] = {}
        self.places: dict[int, set[tuple[int, bytes]]] = {}
        self.children: dict[int, dict[bytes, int]] = {}
        self.held: dict[int, int] = {}

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All that is set inside, or nothing of it if it raises."""
        undo: list[Callable[[], None]] = []
        self._undo = undo
        try:
            yield
        except BaseException:
            self._undo = None
            for take_back in reversed(undo):
                take_back()
            raise
        finally:
            self._undo = None

    def _note(self, take_back: Callable[[], None]) -> None:
        if self._undo is not None:
            self._undo.append(take_back)

    def set_node(self, number: int, node: Node | None) -> None:
        """None: it is gone."""
        old = self.nodes.get(number)
        self._note(lambda: self.set_node(number, old))
        if node is None:
            self.nodes.pop(number, None)
        else:
            self.nodes[number] = node

    def set_entry(self, place: tuple[int, bytes], node: int | None) -> None:
        """None: there is nothing of ours."""
        old = self.entries.get(place)
        self._note(lambda: self.set_entry(place, old))
        parent, name = place
        if old is not None:
            del self.entries[place]
            _remove(self.children, parent, name)
            if old != WHITEOUT:
                self.places[old].discard(place)
                if not self.places[old]:
                    del self.places[old]
        if node is not None:
            self.entries[place] = node
            self.children.setdefault(parent, {})[name] = node
            if node != WHITEOUT:
                self.places.setdefault(node, set()).add(place)

    def set_fid(self, fid: int, what: Fid | None) -> None:
        """None: the guest holds it no longer."""
        old = self.fids.get(fid)
        self._note(lambda: self.set_fid(fid, old))
        if old is not None:
            self.held[old.node] -= 1
            if not self.held[old.node]:
                del self.held[old.node]
        if what is None:
            self.fids.pop(fid, None)
        else:
            self.fids[fid] = what
            self.held[what.node] = self.held.get(what.node, 0) + 1

    def is_needed(self, node: Node) -> bool:
        """Whether something refers to it, or it is other than the folder's."""
        number = node.number
        if number in self.held or number in self.children:
            return True
        return number in self.places and (node.ours or node.placed)

    def saved(self) -> tuple[list[Node], list[Entry], list[tuple[int, Fid]]]:
        """All of it, in order."""
        entries = [Entry(parent, name, node) for (parent, name), node in sorted(self.entries.items())]
        return [node for _, node in sorted(self.nodes.items())], entries, sorted(self.fids.items())

    def restore(self, nodes: list[Node], entries: list[Entry], fids: list[tuple[int, Fid]]) -> None:
        """Raises ValueError for what refers to nothing."""
        self.clear()
        for node in nodes:
            self.nodes[node.number] = node
        for entry in entries:
            if entry.parent not in self.nodes or (entry.node not in self.nodes and entry.node != WHITEOUT):
                raise ValueError("an entry of a share names nothing")
            self.set_entry((entry.parent, entry.name), entry.node)
        for fid, what in fids:
            if what.node not in self.nodes:
                raise ValueError("a fid of a share is of nothing")
            self.set_fid(fid, what)


def _remove(children: dict[int, dict[bytes, int]], parent: int, name: bytes) -> None:
    del children[parent][name]
    if not children[parent]:
        del children[parent]
