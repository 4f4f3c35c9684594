"""Recursion in a call stack: runs of frames that repeat, to be shown once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

LONGEST_CYCLE = 8
FEWEST = 3
"""Times that a cycle must come, one after the other, to be folded."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Items `start` to `end`, exclusive, repeat the `period` items before them."""

    start: int
    end: int
    period: int

    @property
    def times(self) -> int:
        return (self.end - self.start) // self.period


def folded(keys: Sequence[Hashable]) -> Iterator[int | Fold]:
    """The indices of what is shown, and the runs that are not. The shortest cycle that repeats is taken."""
    at = 0
    while at < len(keys):
        longest = min(LONGEST_CYCLE, (len(keys) - at) // FEWEST)
        period = next((p for p in range(1, longest + 1) if _times(keys, at, p) >= FEWEST), 0)
        if not period:
            yield at
            at += 1
            continue
        end = at + period * _times(keys, at, period)
        yield from range(at, at + period)
        yield Fold(at + period, end, period)
        at = end


def _times(keys: Sequence[Hashable], at: int, period: int) -> int:
    """How often the items from `at` come in a row, the first time counted."""
    cycle = keys[at : at + period]
    end = at + period
    while len(cycle) == period and keys[end : end + period] == cycle:
        end += period
    return (end - at) // period
