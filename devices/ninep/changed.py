"""What a guest has made of a share, for people who look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devices.ninep.folder import below
from devices.ninep.node import ROOT, WHITEOUT, Node
from devices.ninep.tables import Tables


@dataclass(frozen=True, slots=True)
class Change:
    """At a path of the share's; no `node` where something of the folder's is gone."""

    path: bytes
    node: Node | None


def changes(tables: Tables) -> Iterator[Change]:
    """All that is other than the folder's, by path, a directory before what is in it."""
    yield from _below(tables, ROOT, b"")


def _below(tables: Tables, number: int, path: bytes) -> Iterator[Change]:
    for name, inner in sorted(tables.children.get(number, {}).items()):
        there = below(path, name)
        if inner == WHITEOUT:
            yield Change(there, None)
            continue
        node = tables.nodes[inner]
        if node.ours or node.placed:
            yield Change(there, node)
        yield from _below(tables, inner, there)
