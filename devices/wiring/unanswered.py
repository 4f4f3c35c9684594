"""Accesses that no device answered, counted for people: no part of a machine's state, but of an instant of its run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

MOST = 4096
"""Addresses that are told apart in each direction: what a guest touches beyond them is not counted."""

Counts = dict[int, int]


class Unanswered:
    """How often each address was read and written in vain."""

    def __init__(self) -> None:
        self.reads: Counter[int] = Counter()
        self.writes: Counter[int] = Counter()

    def read(self, address: int) -> None:
        if address in self.reads or len(self.reads) < MOST:
            self.reads[address] += 1

    def write(self, address: int) -> None:
        if address in self.writes or len(self.writes) < MOST:
            self.writes[address] += 1

    def save(self) -> tuple[Counts, Counts]:
        """By address."""
        return dict(sorted(self.reads.items())), dict(sorted(self.writes.items()))

    def restore(self, saved: Iterable[Mapping[int, int]]) -> None:
        """Become what save() gave; without it, nothing has been counted. What is beyond MOST, a stranger's, is left."""
        parts = [Counter(dict(sorted(part.items())[:MOST])) for part in saved]
        self.reads, self.writes = (*parts, Counter(), Counter())[:2]
