"""Where time goes: who is found where, at instants that lie equally far apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.queries.guest_memory import Ram
from vmdbg.queries.linux.known import EVERYBODY, NOBODY, KnownLinux, Who
from vmdbg.queries.rows import SampleRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import CpuId, Linear, Tick
from vmdbg.x86.mode import privilege_level

EVERY = 999_983
"""Ticks between two looks, about a millisecond: a prime number, so that nothing periodic hides from them."""


_Place = tuple[str, int, int, Linear | None, CpuId]


@dataclass(frozen=True, slots=True)
class ProfileQuery:
    """At every multiple of `every` ticks, whom the CPU runs whose turn it is. `known` tells who, if anybody knows."""

    every: int = EVERY
    known: KnownLinux | None = None
    who: Who = EVERYBODY

    def begin(self, timeline: Timeline) -> ProfileScan:
        return ProfileScan(timeline, self)

    def join(self, parts: Sequence[Sequence[SampleRow]]) -> list[SampleRow]:
        """The most frequent first."""
        counts: Counter[_Place] = Counter()
        for row in (row for part in parts for row in part):
            counts[row.task, row.pid, row.ring, row.pc, row.cpu] += row.samples
        return [SampleRow(*key, count) for key, count in counts.most_common()]


class ProfileScan(RowScan):
    def __init__(self, timeline: Timeline, query: ProfileQuery) -> None:
        super().__init__(timeline)
        self._query = query
        self._ram = Ram(self.engine)
        self._counts: Counter[_Place] = Counter()

    @property
    def stops(self) -> Stops:
        return Stops()

    def next_sample(self, now: Tick) -> Tick:
        return Tick((now // self._query.every + 1) * self._query.every)

    def take(self, outcome: Outcome) -> None:
        del outcome
        known = self._query.known
        task = (known.locator.read(self._ram, self.engine.read_register) if known is not None else None) or NOBODY
        if not self._query.who.matches(task) or (self.only is not None and not self.only()):
            return
        ring = privilege_level(*self.engine.read_registers(("cr0", "rflags", "ss_flags")))
        pc = None if self.timeline.machine.halted else Linear(self.engine.linear_pc)
        self._counts[task.name, task.pid, ring, pc, self.cpu] += 1

    def finish(self) -> Sequence[SampleRow]:
        return [SampleRow(*key, count) for key, count in self._counts.items()]
