"""When a point was hit: a number that follows the position, forwards and back."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from vmdbg.machine.snapshot import Position


class Hits:
    """The instants at which a point is known to be hit, ascending, each once however often it is passed."""

    def __init__(self) -> None:
        self._ticks = array("Q")
        self._phases = array("Q")

    def __len__(self) -> int:
        return len(self._ticks)

    def __contains__(self, at: Position) -> bool:
        end = self.up_to(at)
        return bool(end) and (self._ticks[end - 1], self._phases[end - 1]) == (at.tick, at.phase)

    def add(self, at: Position) -> int:
        """How many there are up to and with this one."""
        ticks = self._ticks
        if not ticks or ticks[-1] < at.tick:  # on the way forwards
            ticks.append(at.tick)
            self._phases.append(at.phase)
            return len(ticks)
        index = self.up_to(at)
        if index and (self._ticks[index - 1], self._phases[index - 1]) == (at.tick, at.phase):
            return index
        ticks.insert(index, at.tick)
        self._phases.insert(index, at.phase)
        return index + 1

    def up_to(self, at: Position) -> int:
        """How many are at or before the instant."""
        low, high = bisect_left(self._ticks, at.tick), bisect_right(self._ticks, at.tick)
        return bisect_right(self._phases, at.phase, low, high)

    def cut(self, after: Position) -> None:
        """The history forks there: what came later does not happen."""
        end = self.up_to(after)
        del self._ticks[end:]
        del self._phases[end:]
