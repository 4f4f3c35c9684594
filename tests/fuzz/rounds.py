"""Rounds of steps against one target, until there were enough."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

Round = Callable[[int, int], int]
"""With a seed, so many steps at most, which may be less where the guest ends: how many they were."""
LENGTH = 20_000
"""Steps of a round."""
SETTLED = 5
"""Rounds after which this process has what it needs."""
GROWTH = 200 << 20
"""Bytes by which it may grow after that: machines are made anew in each round, and let go of."""


@dataclass(slots=True)
class Tally:
    steps: int = 0
    rounds: int = 0
    seconds: float = 0.0
    """Of CPU."""
    slowest: float = 0.0
    """Seconds of one round."""

    def __str__(self) -> str:
        rate = self.steps / self.seconds if self.seconds else 0
        return (
            f"{self.steps:>9,} steps {self.rounds:4} rounds {self.seconds:7.1f} s {rate:8,.0f}/s"
            f"  slowest {self.slowest:5.1f} s  peak {peak() >> 20} MB"
        )


def fuzz(attack: Round, steps: int, first_seed: int = 1, length: int = LENGTH) -> Tally:
    """Raises AssertionError where this process grows, and whatever a round does."""
    tally, settled = Tally(), 0
    while tally.steps < steps:
        begin = time.process_time()
        try:
            tally.steps += attack(first_seed + tally.rounds, min(length, steps))
        except Exception as error:
            error.add_note(f"seed {first_seed + tally.rounds}, {min(length, steps):,} steps")
            raise
        took = time.process_time() - begin
        tally.rounds += 1
        tally.seconds += took
        tally.slowest = max(tally.slowest, took)
        if tally.rounds <= SETTLED:
            settled = peak()
    assert peak() < settled + GROWTH
    return tally


def peak() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
