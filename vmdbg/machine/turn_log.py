"""The turns that a run had, for whoever wants to have them again, or changed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from vmdbg.engine.processor import TurnState
from vmdbg.errors import UserError
from vmdbg.machine.schedule import Turn
from vmdbg.units import CpuId, Tick


class TurnLog:
    """Of a machine that is run, taken back and put elsewhere in its history: each turn once, in the order of time.

    Invariant: while `lost` is empty, these are all turns up to the last of them, since the log began.
    """

    def __init__(self) -> None:
        self._ticks: list[Tick] = []
        self._turns: list[Turn] = []
        self._ends: set[tuple[CpuId, int]] = set()
        self.lost = ""
        """Why there are turns that are not known."""

    def add(self, tick: Tick, turn: Turn) -> None:
        """One begins. Where another did before, the history has been forked since."""
        index = bisect_left(self._ticks, tick)
        if index < len(self._ticks):
            if (self._ticks[index], self._turns[index]) == (tick, turn):
                return
            del self._ticks[index:], self._turns[index:]
        self._ticks.append(tick)
        self._turns.append(turn)
        self._ends.add((turn.cpu, tick + turn.quantum))

    def lose(self, why: str) -> None:
        self.lost = self.lost or why

    def go_to(self, going_on: TurnState) -> None:
        """The machine was put where that turn goes on, or was the last one."""
        if (going_on.cpu, going_on.end) not in self._ends:
            self.lose("the guest was put where this process has not run it")

    def turns(self, until: Tick) -> tuple[Turn, ...]:
        """Those that began up to then, each as long as it took. Raises UserError if some are not known."""
        if self.lost:
            raise UserError(f"the turns of this run cannot be told: {self.lost}")
        ticks = self._ticks[: bisect_right(self._ticks, until)]
        spans = zip(ticks, [*ticks[1:], until], strict=True)
        lengths = [end - begin for begin, end in spans]
        return tuple(Turn(turn.cpu, took) for turn, took in zip(self._turns, lengths, strict=False) if took)
