"""Which instant of a tick it is: what happened there without retiring an instruction is counted."""

from __future__ import annotations

from typing import Protocol

from vmdbg.machine.snapshot import Position
from vmdbg.units import Tick


class Deliveries(Protocol):
    """What of an engine says where in time it is."""

    @property
    def clock(self) -> Tick: ...

    @property
    def instant(self) -> tuple[Tick, int]:
        """The clock and the count of deliveries."""
        ...

    @property
    def delivery_count(self) -> int: ...

    @property
    def deliveries_now(self) -> int: ...


class Phase:
    """The phase of the present tick: inputs taken there, and interrupts and exceptions delivered there.

    Inputs are told; deliveries are the engine's to count, which restores its count with nothing. So the phase is kept
    as what was true at a count of deliveries, and those of this tick that came after it are added when it is asked for.
    Invariants: `_tick` is the tick that `_counted` is of, and at any later tick it is 0; `_deliveries` is the engine's
    count when `_counted` was true, so deliveries are in one of the two terms, never in both.
    """

    def __init__(self, engine: Deliveries) -> None:
        self._engine = engine
        self._tick = Tick(0)
        self._counted = 0
        self._deliveries = engine.delivery_count
        self._found_at = -1, -1
        """The clock and the count of deliveries for which `_position` is right."""
        self._position = Position(Tick(0))

    @property
    def position(self) -> Position:
        """Where the machine is in time."""
        now = self._engine.instant
        if now != self._found_at:
            self._position = self._found()
            self._found_at = now
        return self._position

    def _found(self) -> Position:
        clock, count = self._engine.instant
        fresh = min(self._engine.deliveries_now, count - self._deliveries) if count != self._deliveries else 0
        return Position(clock, (self._counted if self._tick == clock else 0) + fresh)

    def count(self, happened: int = 1) -> None:
        """So many things that are no deliveries happened now."""
        self._become(self.position.phase + happened)

    def restore(self, phase: int) -> None:
        """The engine was restored to an instant of this phase."""
        self._become(phase)

    def _become(self, phase: int) -> None:
        self._counted, self._tick, self._deliveries = phase, self._engine.clock, self._engine.delivery_count
        self._found_at = -1, -1
