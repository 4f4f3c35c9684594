"""Probabilistic concurrency testing: who has the highest priority runs, and few, drawn instants change priorities.

A bug that needs `depth` ordering constraints is found by a run with probability at least 1 / (n k^(depth - 1)), for n
CPUs and k places at which priorities could change. A change of priorities matters only where another CPU could run as
well, so k counts contended ticks: those of turns at whose beginning several CPUs could run. Of a boot, most of which
one CPU does while the others sleep, they are few.

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
DEFAULT_LENGTH = 50_000_000
DEFAULT_GRAIN = DEFAULT_QUANTUM
"""Ticks after which it is looked whether a CPU of higher priority has woken, and so whether a tick is contended."""
FIRST_CPU = 4
"""Where their order begins in what is remembered."""
PATIENCE = 10_000_000
"""Ticks that a CPU which can run waits for its turn: then those before it are taken to spin."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is remembered: the CPUs in the order of their priorities, the first runs; change points that are to come, as
    the number of contended ticks before each, and the priority that it gives.

    `ends` is when the turn is to end that goes on, `since` when it began if it is contended, else -1; `contended` ticks
    came before it. `given` says of each CPU which priority a change point gave it, 0 if none did since it was put last
    for other reasons: less than all that no change point has touched. `waits` says of each since when it could run and
    had no turn, -1 if that is not so.
    """

    ends: int
    since: int
    contended: int
    order: tuple[int, ...]
    given: tuple[int, ...]
    waits: tuple[int, ...]
    changes: tuple[tuple[int, int], ...]

    def pack(self) -> ScheduleState:
        changes = [number for change in self.changes for number in change]
        first = self.ends, self.since, self.contended, len(self.order)
        return ScheduleState((*first, *self.order, *self.given, *self.waits, *changes))

    @classmethod
    def unpack(cls, state: ScheduleState) -> _Memory:
        ends, since, contended, cpus, *rest = state.numbers
        order, given, waits = (tuple(rest[first * cpus : (first + 1) * cpus]) for first in range(3))
        pairs = rest[3 * cpus :]
        return cls(ends, since, contended, order, given, waits, tuple(zip(pairs[::2], pairs[1::2], strict=True)))


@dataclass(frozen=True, slots=True)
class Pct:
    """`depth` - 1 change points are drawn over `length` contended ticks from tick `first` on; before: round robin.

    `length` is the user's estimate of how many there are of those in which the bug can happen: contended_ticks() says
    it of a run. `grain` is how long a turn is at most.
    """

    seed: int
    depth: int = DEFAULT_DEPTH
    length: int = DEFAULT_LENGTH
    first: int = 0
    grain: int = DEFAULT_GRAIN

    def __str__(self) -> str:
        said = f"pct:{self.seed},{self.depth}"
        said += f",length={self.length}" if self.length != DEFAULT_LENGTH else ""
        said += f",grain={self.grain}" if self.grain != DEFAULT_GRAIN else ""
        return said + (f",from={self.first}" if self.first else "")

    def start(self, cpus: int) -> ScheduleState:
        generator = self.seed
        order = list(range(cpus))
        for left in range(cpus - 1, 0, -1):
            other, generator = below(generator, left + 1)
            order[left], order[other] = order[other], order[left]
        changes = []
        for priority in range(1, self.depth):
            at, generator = below(generator, self.length)
            changes.append((at, priority))
        return _Memory(0, -1, 0, tuple(order), (0,) * cpus, (-1,) * cpus, tuple(sorted(changes))).pack()

    def is_state(self, state: ScheduleState, cpus: int) -> bool:
        numbers = state.numbers
        left = len(numbers) - FIRST_CPU - 3 * cpus
        if not 0 <= left <= 2 * (self.depth - 1) or left % 2 or numbers[FIRST_CPU - 1] != cpus:
            return False
        is_order = sorted(numbers[FIRST_CPU : FIRST_CPU + cpus]) == list(range(cpus))
        return is_order and all(abs(number) < NEVER for number in numbers)

    def next_turn(
        self, state: ScheduleState, last: CpuId, runnable: Sequence[CpuId], tick: Tick
    ) -> tuple[Turn, ScheduleState]:
        memory = _Memory.unpack(state)
        if tick < self.first:
            cpu = next((cpu for cpu in runnable if cpu > last), runnable[0])
            quantum = min(DEFAULT_QUANTUM, self.first - tick)
            return Turn(cpu, quantum), replace(memory, ends=tick + quantum).pack()
        memory = _with_changes(_counted(memory, tick), last)
        if tick < memory.ends and last in runnable and len(runnable) > 1:
            memory = _put_last(memory, last)  # it has given way by PAUSE
        waits = [_since(memory.waits[cpu], tick) if cpu in runnable else -1 for cpu in range(len(memory.waits))]
        starve = [cpu for cpu in runnable if tick - waits[cpu] > PATIENCE]
        cpu = _first(memory, runnable)
        while starve and cpu not in starve:
            memory = _put_last(memory, cpu)
            cpu = _first(memory, runnable)
        waits[cpu] = -1
        is_contended = len(runnable) > 1
        quantum = min([self.grain, *(at - memory.contended for at, _ in memory.changes if is_contended)])
        since = tick if is_contended else -1
        turn = Turn(cpu, quantum, exact=is_contended and quantum < self.grain)
        return turn, replace(memory, ends=tick + quantum, since=since, waits=tuple(waits)).pack()


def contended_ticks(state: ScheduleState, tick: Tick) -> int:
    """How many there were up to `tick`, from the first on, as a pct schedule remembers it."""
    return _counted(_Memory.unpack(state), tick).contended


def _counted(memory: _Memory, tick: int) -> _Memory:
    """With the turn that is over, or goes on at `tick`."""
    passed = max(0, tick - memory.since) if memory.since >= 0 else 0
    return replace(memory, contended=min(memory.contended + passed, NEVER - 1), since=-1)


def _first(memory: _Memory, runnable: Sequence[CpuId]) -> CpuId:
    return next(CpuId(cpu) for cpu in memory.order if cpu in runnable)


def _since(waits: int, tick: int) -> int:
    return waits if waits >= 0 else tick


def _with_changes(memory: _Memory, last: CpuId) -> _Memory:
    """The CPU that has run up to a change point has the priority of that from there on."""
    come = [priority for at, priority in memory.changes if at <= memory.contended]
    if not come:
        return memory
    return replace(_put_behind(memory, last, come[-1]), changes=memory.changes[len(come) :])


def _put_last(memory: _Memory, cpu: CpuId) -> _Memory:
    return _put_behind(memory, cpu, 0)


def _put_behind(memory: _Memory, cpu: CpuId, priority: int) -> _Memory:
    """Behind all but those at the end that change points gave less; those too where it would be the first again."""
    order = [one for one in memory.order if one != cpu]
    place = len(order)
    while place and 0 < memory.given[order[place - 1]] < priority:
        place -= 1
    place = place or len(order)
    given = tuple(priority if number == cpu else one for number, one in enumerate(memory.given))
    return replace(memory, order=(*order[:place], cpu, *order[place:]), given=given)
