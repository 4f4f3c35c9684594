"""A history as a strip: what a console wrote, who had each CPU, and how much happened, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """Somebody has a CPU for `count` stretches from number `first` on, for that share of the time, from 0 to 1."""

    first: int
    count: int
    number: int
    """The task's; the same is drawn in the same colour."""
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Strip:
    """`length` is of a stretch, in ticks; the first begins at tick `start`, and there are `stretches` of them.

    `lines` are those of the console, each with its tick; `lanes` are by the CPU's name, `densities` by what is counted.
    """

    start: int
    length: int
    stretches: int
    lines: Sequence[tuple[int, str]]
    lanes: Sequence[tuple[str, Sequence[Run]]]
    densities: Sequence[tuple[str, Sequence[int]]]
    ticks_per_second: int
