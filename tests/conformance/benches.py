"""Benches for each kind of code, made when they are first asked for; and batches for tests that are to be quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tests.conformance.batch import Batch
from tests.conformance.groups import Group, Kind, each, groups_here, guest, host
from tests.conformance.votes import Bench, Other

INSTRUCTIONS, STATES = 60, 4
"""Of a small batch."""
Benches = Callable[[Kind], Bench]


class OtherCpu(Other, AbstractContextManager[object], Protocol):
    """One that is closed at the end."""


@contextmanager
def benches(scratch: Path, other: Callable[[Path, Kind], OtherCpu]) -> Iterator[Benches]:
    """With this machine's CPU as judge of what it has."""
    judged = {group.kind for group in groups_here()}
    with (
        each(lambda kind: host(scratch, kind)) as hosts,
        each(lambda kind: other(scratch, kind)) as others,
        each(lambda kind: guest(scratch, kind)) as guests,
    ):
        yield lambda kind: Bench(hosts(kind) if kind in judged else None, others(kind), guests(kind))


def small_batch(group: Group) -> Batch:
    whole = group.batch(1)
    return replace(whole, instructions=whole.instructions[:INSTRUCTIONS], states=whole.states[:STATES])
