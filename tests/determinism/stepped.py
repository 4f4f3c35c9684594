"""A CPU that is stepped, for comparison with one that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vmdbg.engine.unicorn.bare import BareCpu

Seen = TypeVar("Seen")


def stepped(cpu: BareCpu, end: int, look: Callable[[BareCpu], Seen]) -> dict[int, list[Seen]]:
    """What is seen at each tick up to `end`: a fault's delivery takes none."""
    seen: dict[int, list[Seen]] = {}
    while cpu.engine.clock < end:
        cpu.engine.step()
        seen.setdefault(cpu.engine.clock, []).append(look(cpu))
    return seen
