"""Probabilistic concurrency testing: who has the highest priority runs, and few, drawn instants change priorities.

A bug that needs `depth` ordering constraints is found by a run with probability at least 1 / (n k^(depth - 1)), for n
CPUs and k places at which priorities could change.

Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding
bugs", ASPLOS 2010, figure 4. Of CPUs that wait for others by spinning it knows nothing: who spins is put last, as in
Fonseca, Rodrigues, Brandenburg, "SKI", OSDI 2014, 3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vmdbg.machine.schedule import DEFAULT_QUANTUM, ScheduleState, Turn
from vmdbg.machine.splitmix import below
from vmdbg.units import NEVER, CpuId, Tick

DEFAULT_DEPTH = 3
DEFAULT_LENGTH = 1_000_000_000
GRAIN = DEFAULT_QUANTUM
"""Ticks after which it is looked whether a CPU of higher priority has woken."""
FIRST_PRIORITY = 3
"""Where they begin in what is remembered."""
PATIENCE = 10_000_000
"""Ticks after which a CPU that runs on while others could is taken to spin."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is remembered: a priority a CPU, the greatest first; change points that are to come, as tick and priority.

    `began` is when the turn began that is over, `quantum` its length; `since` when its CPU was last put in front of
    others. `lowest` is the least priority that was ever given.
    """

    began: int
    quantum: int
    since: int
    lowest: int
    priorities: tuple[int, ...]
    changes: tuple[tuple[int, int], ...]

    def pack(self) -> ScheduleState:
        changes = [number for change in self.changes for number in change]
        numbers = (self.began, self.quantum, self.since, self.lowest, len(self.priorities), *self.priorities, *changes)
        return ScheduleState(numbers)

    @classmethod
    def unpack(cls, state: ScheduleState) -> _Memory:
        began, quantum, since, lowest, cpus, *rest = state.numbers
        pairs = rest[cpus:]
        return cls(began, quantum, since, lowest, tuple(rest[:cpus]), tuple(zip(pairs[::2], pairs[1::2], strict=True)))


@dataclass(frozen=True, slots=True)
class Pct:
    """`depth` - 1 change points are drawn over `length` ticks from tick `first` on; before that it is round robin.

    `length` is the user's estimate of how long that takes in which the bug can happen.
    """

    seed: int
    depth: int = DEFAULT_DEPTH
    length: int = DEFAULT_LENGTH
    first: int = 0

    def __str__(self) -> str:
        said = f"pct:{self.seed},{self.depth}"
        said += f",length={self.length}" if self.length != DEFAULT_LENGTH else ""
        return said + (f",from={self.first}" if self.first else "")

    def start(self, cpus: int) -> ScheduleState:
        generator = self.seed
        priorities = list(range(self.depth, self.depth + cpus))
        for left in range(cpus - 1, 0, -1):
            other, generator = below(generator, left + 1)
            priorities[left], priorities[other] = priorities[other], priorities[left]
        changes = []
        for priority in range(1, self.depth):
            at, generator = below(generator, self.length)
            changes.append((self.first + at, priority))
        return _Memory(0, 0, 0, 1, tuple(priorities), tuple(sorted(changes))).pack()

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        numbers = state.numbers
        left = len(numbers) - FIRST_PRIORITY - 2 * cpus
        if not 0 <= left <= 2 * (self.depth - 1) or left % 2 or numbers[FIRST_PRIORITY - 1] != cpus:
            return False
        return all(abs(number) < NEVER for number in numbers)

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn, ScheduleState]:
        memory = _Memory.unpack(state)
        if tick < self.first:
            cpu = next((cpu for cpu in runnable if cpu > last), runnable[0])
            quantum = min(DEFAULT_QUANTUM, self.first - tick)
            return Turn(cpu, quantum), self._begun(memory, tick, quantum, tick)
        memory = _changed(memory, last, tick)
        if _spins(memory, last, runnable, tick):
            memory = _put_last(memory, last)
        cpu = max(runnable, key=lambda one: memory.priorities[one])
        quantum = min([GRAIN, *(at - tick for at, _ in memory.changes)])
        return Turn(cpu, quantum), self._begun(memory, tick, quantum, memory.since if cpu == last else tick)

    @staticmethod
    def _begun(memory: _Memory, tick: int, quantum: int, since: int) -> ScheduleState:
        return _Memory(tick, quantum, since, memory.lowest, memory.priorities, memory.changes).pack()


def _changed(memory: _Memory, last: CpuId, tick: int) -> _Memory:
    """The CPU that has run up to a change point has the priority of that from there on."""
    come = [priority for at, priority in memory.changes if at <= tick]
    if not come:
        return memory
    priorities = _with(memory.priorities, last, come[-1])
    left = memory.changes[len(come) :]
    return _Memory(memory.began, memory.quantum, memory.since, memory.lowest, priorities, left)


def _spins(memory: _Memory, last: CpuId, runnable: Sequence[CpuId], tick: int) -> bool:
    """Whether the CPU has given way by PAUSE, or has run for so long that it may wait for another."""
    if last not in runnable or len(runnable) == 1:
        return False
    return tick < memory.began + memory.quantum or tick - memory.since > PATIENCE


def _put_last(memory: _Memory, cpu: CpuId) -> _Memory:
    lowest = memory.lowest - 1
    priorities = _with(memory.priorities, cpu, lowest)
    return _Memory(memory.began, memory.quantum, memory.since, lowest, priorities, memory.changes)


def _with(priorities: Iterable[int], cpu: CpuId, priority: int) -> tuple[int, ...]:
    return tuple(priority if number == cpu else one for number, one in enumerate(priorities))
