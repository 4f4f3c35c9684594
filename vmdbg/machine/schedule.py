"""Schedules: which CPU's turn is next, and for how long, as a plain value that anybody can compute again.

A schedule is part of a machine's configuration; what it remembers is part of the machine's state. It is asked at
instants that follow from the guest's instructions alone, so the same schedule gives the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vmdbg.units import CpuId, Tick

DEFAULT_QUANTUM = 100_000
LEAST_QUANTUM, MOST_QUANTUM = 1, 1 << 40
LEAST_DRAWN = 16
"""Ticks of the shortest turn whose length is drawn."""
ROUND_ROBIN, ONLY, LISTED = "round-robin", "only", "turns"


@dataclass(frozen=True, slots=True)
class Turn:
    """`cpu` runs for `quantum` ticks, and on to where control is next moved by a jump, an interrupt or an exception.

    If `exact` it runs on to the end of its instruction only: dearer, but between any two instructions.
    """

    cpu: CpuId
    quantum: int
    exact: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """What a schedule remembers from turn to turn: numbers, whose meaning is its own."""

    numbers: tuple[int, ...] = ()


class Schedule(Protocol):
    """Which CPU is next. Its str() is what schedules.parse_schedule() makes it of."""

    def start(self, cpus: int) -> ScheduleState:
        """What it remembers before the first turn of so many CPUs."""
        ...

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        """Whether it could remember that, which a stranger's recording may say."""
        ...

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn | None, ScheduleState]:
        """The turn that begins at `tick`, None for nobody's until another can run, and what to remember.

        `last` is the CPU whose turn is over; `runnable`, rising and never empty, those that could run.
        """
        ...


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Each CPU after the one of the next lower number, the first after the last. The engine does it by itself."""

    quantum: int = DEFAULT_QUANTUM

    def __str__(self) -> str:
        return ROUND_ROBIN + (f":{self.quantum}" if self.quantum != DEFAULT_QUANTUM else "")

    def start(self, cpus: int) -> ScheduleState:
        return ScheduleState()

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        return state == ScheduleState()

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn, ScheduleState]:
        cpu = next((cpu for cpu in runnable if cpu > last), runnable[0])
        return Turn(cpu, self.quantum), state


@dataclass(frozen=True, slots=True)
class OneAlone:
    """That CPU runs whenever it can, and no other ever does."""

    cpu: CpuId

    def __str__(self) -> str:
        return f"{ONLY}:{self.cpu}"

    def start(self, cpus: int) -> ScheduleState:
        return ScheduleState()

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        return state == ScheduleState()

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn | None, ScheduleState]:
        return (Turn(self.cpu, DEFAULT_QUANTUM) if self.cpu in runnable else None), state
