"""Running a guest from one instant on again and again, by other schedules, until it fails.

All runs have the same past, which is gone back to: what one costs is the part after it alone. A run has passed when a
console has shown a text, or, if none is wanted, when the guest has ended in order; it has failed when the guest panics
or ends before that, or does neither in time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from vmdbg.engine.exits import LimitReached, StopRequested
from vmdbg.errors import UserError
from vmdbg.host.last_words import shown
from vmdbg.host.report import verdict
from vmdbg.machine.inputs import ScheduleChange
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.schedule import RoundRobin
from vmdbg.machine.schedule_pct import Pct, contended_ticks
from vmdbg.machine.schedules import parse_schedule
from vmdbg.machine.snapshot import Position
from vmdbg.symbols.symbol_set import SymbolSet
from vmdbg.timeline.outcomes import EndOfHistory
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

SLICE = 1_000_000
"""Ticks between two looks at what the guest has shown."""
EXAMPLE = "pct:1..200"
PANIC = b"Kernel panic - "
MOST_SCHEDULES = 1_000_000
_EACH = re.compile(r"(random|pct):([0-9]{1,18})\.\.([0-9]{1,18})(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Seeds:
    """Schedules that differ in their seeds: `name`:SEED`rest`."""

    name: str
    seeds: range
    rest: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.seeds[0]}..{self.seeds[-1]}{self.rest}"

    def __iter__(self) -> Iterator[str]:
        return (f"{self.name}:{seed}{self.rest}" for seed in self.seeds)

    @classmethod
    def parse(cls, text: str) -> Seeds:
        """`pct:1..200,4`. Raises UserError."""
        found = _EACH.fullmatch(text)
        if found is None:
            raise UserError(f"{text[:60]!r} are no schedules: give pct:FIRST..LAST or random:FIRST..LAST, as {EXAMPLE}")
        made = cls(found[1], range(int(found[2]), int(found[3]) + 1), found[4])
        if not 0 < len(made.seeds) <= MOST_SCHEDULES:
            raise UserError(f"{text[:60]!r} are {len(made.seeds):,} schedules: 1 to {MOST_SCHEDULES:,} can be tried")
        try:
            parse_schedule(next(iter(made)))
        except ValueError as error:
            raise UserError(str(error)) from None
        return made


@dataclass(frozen=True, slots=True)
class Trial:
    """One run. `failure` says what went wrong, "" if nothing did; `contended`: ticks at which several CPUs could run,
    which pct counts; None of another schedule."""

    schedule: str
    failure: str
    end: Position
    contended: int | None = None


class Exploration:
    """From where the timeline stands. After a trial it stands at its end, and its history is that run."""

    def __init__(self, timeline: Timeline, until: bytes, within: int) -> None:
        if timeline.machine.config.cpus == 1:
            raise UserError("a guest with one CPU has one schedule: give --cpus 2")
        self.timeline = timeline
        self._until = until
        self.start = timeline.position
        self._deadline = Tick(self.start.tick + within)

    def trials(self, schedules: Iterable[str]) -> Iterator[Trial]:
        for schedule in schedules:
            yield self.trial(schedule)

    def measured(self, seeds: Seeds) -> tuple[Trial, Seeds]:
        """A run that changes nothing in its course, and the same schedules for as many contended ticks as it had.

        They are as they were if they say themselves how many, or do not count them.
        """
        first = parse_schedule(next(iter(seeds)))
        trial = self.trial(str(replace(first, depth=1) if isinstance(first, Pct) else RoundRobin()))
        if "length=" in seeds.rest or not trial.contended:
            return trial, seeds
        return trial, Seeds(seeds.name, seeds.seeds, f"{seeds.rest},length={trial.contended}")

    def trial(self, schedule: str) -> Trial:
        """One run by that schedule, from the start on."""
        timeline = self.timeline
        timeline.seek(self.start)
        timeline.fork()
        timeline.push(ScheduleChange(schedule))
        failure = self._run()
        turns = timeline.machine.cpus.turns
        counts = isinstance(turns.schedule, Pct)
        contended = contended_ticks(turns.state, timeline.position.tick) if counts else None
        return Trial(schedule, failure, timeline.position, contended)

    def _run(self) -> str:
        """Why it failed."""
        timeline = self.timeline
        while timeline.position.tick < self._deadline:
            outcome = timeline.run(Tick(min(timeline.position.tick + SLICE, self._deadline)))
            if self._until and self._has_shown(self._until):
                return ""
            if self._has_shown(PANIC):
                return self._line_with(PANIC)
            if not isinstance(outcome, LimitReached | StopRequested):
                assert not isinstance(outcome, EndOfHistory), "it is live"
                return self._ended(outcome)
        missing = f"it has not shown {shown(self._until)}" if self._until else "it has not ended"
        return f"{missing} up to tick {timeline.position}"

    def _ended(self, outcome: Outcome) -> str:
        found = verdict(self.timeline.machine, outcome, None, SymbolSet())
        if not self._until:
            return found.headline if found.died else ""
        return f"{found.headline}, and has not shown {shown(self._until)}"

    def _has_shown(self, text: bytes) -> bool:
        ports = self.timeline.console.ports.values()
        return any(log.find(text, self.start.tick) is not None for log in ports)

    def _line_with(self, text: bytes) -> str:
        for log in self.timeline.console.ports.values():
            for tick, line in log.lines():
                if tick >= self.start.tick and text.decode() in line:
                    return line
        return text.decode()
