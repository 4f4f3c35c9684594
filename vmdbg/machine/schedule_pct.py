"""Probabilistic concurrency testing: who has the highest priority runs, and few, drawn instants change priorities.

A bug that needs `depth` ordering constraints is found by a run with probability at least 1 / (n k^(depth - 1)), for n
CPUs and k places at which priorities could change.

Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding
bugs", ASPLOS 2010, figure 4. It knows nothing of CPUs that wait for others by spinning: who gives way, or keeps others
waiting for long, is put last, as in Fonseca, Rodrigues, Brandenburg, "SKI", OSDI 2014, 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
"""Ticks that a CPU which can run waits for its turn: then those before it are taken to spin."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is remembered: a priority a CPU, the greatest first; change points that are to come, as tick and priority.

    `ends` is when the turn is to end that goes on. `lowest` is the least priority that was ever given. `waits` says of
    each CPU since when it could run and had no turn, -1 if that is not so.
    """

    ends: int
    lowest: int
    priorities: tuple[int, ...]
    waits: tuple[int, ...]
    changes: tuple[tuple[int, int], ...]

    def pack(self) -> ScheduleState:
        changes = [number for change in self.changes for number in change]
        return ScheduleState((self.ends, self.lowest, len(self.priorities), *self.priorities, *self.waits, *changes))

    @classmethod
    def unpack(cls, state: ScheduleState) -> _Memory:
        ends, lowest, cpus, *rest = state.numbers
        pairs = rest[2 * cpus :]
        changes = tuple(zip(pairs[::2], pairs[1::2], strict=True))
        return cls(ends, lowest, tuple(rest[:cpus]), tuple(rest[cpus : 2 * cpus]), changes)


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
        return _Memory(0, 1, tuple(priorities), (-1,) * cpus, tuple(sorted(changes))).pack()

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
            return Turn(cpu, quantum), replace(memory, ends=tick + quantum).pack()
        memory = _with_changes(memory, last, tick)
        if tick < memory.ends and last in runnable and len(runnable) > 1:
            memory = _put_last(memory, last)  # it has given way by PAUSE
        waits = [_since(memory.waits[cpu], tick) if cpu in runnable else -1 for cpu in range(len(memory.waits))]
        starve = [cpu for cpu in runnable if tick - waits[cpu] > PATIENCE]
        cpu = _first(memory, runnable)
        while starve and cpu not in starve:
            memory = _put_last(memory, cpu)
            cpu = _first(memory, runnable)
        waits[cpu] = -1
        quantum = min([GRAIN, *(at - tick for at, _ in memory.changes)])
        turn = Turn(cpu, quantum, exact=quantum < GRAIN)
        return turn, replace(memory, ends=tick + quantum, waits=tuple(waits)).pack()


def _first(memory: _Memory, runnable: Sequence[CpuId]) -> CpuId:
    return max(runnable, key=lambda cpu: memory.priorities[cpu])


def _since(waits: int, tick: int) -> int:
    return waits if waits >= 0 else tick


def _with_changes(memory: _Memory, last: CpuId, tick: int) -> _Memory:
    """The CPU that has run up to a change point has the priority of that from there on."""
    come = [priority for at, priority in memory.changes if at <= tick]
    if not come:
        return memory
    return replace(_with(memory, last, come[-1]), changes=memory.changes[len(come) :])


def _put_last(memory: _Memory, cpu: CpuId) -> _Memory:
    lowest = memory.lowest - 1
    return replace(_with(memory, cpu, lowest), lowest=lowest)


def _with(memory: _Memory, cpu: CpuId, priority: int) -> _Memory:
    before = enumerate(memory.priorities)
    return replace(memory, priorities=tuple(priority if number == cpu else one for number, one in before))
