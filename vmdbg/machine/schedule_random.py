"""Turns whose length and order are drawn: small enough to fall between any two accesses, long enough to get on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmdbg.machine.schedule import DEFAULT_QUANTUM, LEAST_DRAWN, ScheduleState, Turn
from vmdbg.machine.splitmix import below
from vmdbg.units import CpuId, Tick


@dataclass(frozen=True, slots=True)
class RandomTurns:
    """Any CPU that can run is as likely as any other. Of lengths up to `most`, short ones are as likely as long ones:
    the logarithm is drawn.
    """

    seed: int
    most: int = DEFAULT_QUANTUM

    def __str__(self) -> str:
        return f"random:{self.seed}" + (f",most={self.most}" if self.most != DEFAULT_QUANTUM else "")

    def start(self, cpus: int) -> ScheduleState:
        return ScheduleState((self.seed,))

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        return len(state.numbers) == 1 and 0 <= state.numbers[0] < 1 << 64

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn, ScheduleState]:
        (generator,) = state.numbers
        chosen, generator = below(generator, len(runnable))
        shift, generator = below(generator, max(1, (self.most // LEAST_DRAWN).bit_length()))
        length, generator = below(generator, LEAST_DRAWN << shift)
        turn = Turn(runnable[chosen], min((LEAST_DRAWN << shift) + length, self.most), exact=True)
        return turn, ScheduleState((generator,))
