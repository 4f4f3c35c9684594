"""What is known of how much happened when: bounded, however long the history is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from vmdbg.queries.survey import Kind, Runner, SurveyRow
from vmdbg.units import CpuId
from vmdbg.web.answers import LaneRun, ProcessLane

STRETCHES = 4096
"""Of a whole history, at most: when there would be more, two become one."""
MOST_PROCESSES = 10
ALIKE = 0.1
"""Shares of a CPU that are shown as one."""


def length_for(ticks: int, stretches: int) -> int:
    """Of stretches, a power of two, so that not many more than wanted cover so many ticks."""
    return max(1, 1 << max(0, (max(ticks, 1) - 1) // max(stretches, 1)).bit_length())


@dataclass(frozen=True, slots=True)
class Counted:
    """A window, in stretches of `length` ticks, the first of which is number `first`."""

    length: int
    first: int
    counts: dict[Kind, list[int]]
    lanes: dict[CpuId, list[LaneRun]]
    processes: list[ProcessLane]


class SurveyStore:
    """Counts of a history, which grows at its end."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.until = 0
        """The tick up to which everything is counted."""
        self.row = SurveyRow(length)

    def add(self, row: SurveyRow, until: int) -> None:
        """What happened from `until` as it was up to the new one, in stretches no longer than these."""
        self.row.add(row)
        self.until = max(self.until, until)
        while self.until // self.length > 2 * STRETCHES:
            self.length *= 2
            known, self.row = self.row, SurveyRow(self.length)
            self.row.add(known)

    def window(self, start: int, end: int, stretches: int) -> Counted:
        """About so many stretches of what is known from tick `start` to `end`."""
        step = max(1, length_for(end - start, stretches) // self.length)
        first, last = start // self.length // step, max(start, end - 1) // self.length // step
        numbers = range(first, last + 1)
        counts = {kind: [self._sum(kind, number, step) for number in numbers] for kind in Kind}
        cpus = sorted({cpu for cpu, _ in self.row.ran})
        lanes = {cpu: list(self._runs(cpu, numbers, step)) for cpu in cpus}
        return Counted(step * self.length, first, counts, lanes, self._processes(numbers, step))

    def _processes(self, numbers: range, step: int) -> list[ProcessLane]:
        """Those that ran most, the one with the lowest number first."""
        total: Counter[Runner] = Counter()
        each: dict[Runner, Counter[int]] = defaultdict(Counter)
        for (_, number), ran in self.row.ran.items():
            if number // step in numbers:
                for runner, ticks in ran.items():
                    total[runner] += ticks
                    each[runner][number // step] += ticks
        shown = sorted(runner for runner, _ in total.most_common(MOST_PROCESSES + 1) if runner[0])[:MOST_PROCESSES]
        hundredth = max(1, step * self.length) / 100
        return [
            ProcessLane(*runner, total[runner], [round(each[runner][number] / hundredth) for number in numbers])
            for runner in shown
        ]

    def _known(self, number: int, step: int) -> range:
        """Of the stretches that stretch `number` is made of those that are counted: a window may be far beyond."""
        return range(number * step, min((number + 1) * step, self.until // self.length + 1))

    def _sum(self, kind: Kind, number: int, step: int) -> int:
        counts = self.row.counts.get(kind)
        return sum(counts[one] for one in self._known(number, step)) if counts is not None else 0

    def _runs(self, cpu: CpuId, numbers: Sequence[int], step: int) -> Iterator[LaneRun]:
        """Who ran most in each stretch, neighbours of the same joined. Idle time is nobody's."""
        begun: LaneRun | None = None
        length = step * self.length
        for number in numbers:
            ran: Counter[Runner] = Counter()
            for one in self._known(number, step):
                ran.update(self.row.ran.get((cpu, one), ()))
            busy = [(runner, ticks) for runner, ticks in ran.most_common() if runner[0]]
            if not busy:
                if begun is not None:
                    yield begun
                begun = None
                continue
            (pid, name), _ = busy[0]
            share = min(1.0, sum(ticks for _, ticks in busy) / length)
            if begun is not None and (begun.pid, begun.name) == (pid, name) and abs(begun.share - share) < ALIKE:
                begun = replace(begun, count=begun.count + 1)
                continue
            if begun is not None:
                yield begun
            begun = LaneRun(number, 1, pid, name, round(share, 2))
        if begun is not None:
            yield begun
