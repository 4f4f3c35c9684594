"""When what a monitor shows changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmdbg.engine.stops import Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.screen import Appearance, appearance_of
from vmdbg.machine.snapshot import Position
from vmdbg.queries.rows import ScreenRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

EVERY = 16_666_667
"""Ticks between two looks: a frame at 60 Hz."""


@dataclass(frozen=True, slots=True)
class _Look:
    position: Position
    appearance: Appearance


@dataclass(frozen=True, slots=True)
class ScreensQuery:
    """At every multiple of `every` ticks, whether it looks as at the one before."""

    every: int = EVERY

    def begin(self, timeline: Timeline) -> ScreensScan:
        return ScreensScan(timeline, self.every)

    def join(self, parts: Sequence[Sequence[_Look]]) -> list[ScreenRow]:
        """A part's first look is there whether it shows something new or not."""
        rows: list[ScreenRow] = []
        before: Appearance | None = None
        for look in (look for part in parts for look in part):
            if before is None:
                rows.append(ScreenRow(look.position, look.appearance.mode, "", _words(look.appearance, None)))
            elif look.appearance != before:
                first, last = _changed(before, look.appearance)
                where = f"{first}" if first == last else f"{first}-{last}"
                rows.append(ScreenRow(look.position, look.appearance.mode, where, _words(look.appearance, last)))
            before = look.appearance
        return rows


class ScreensScan(RowScan):
    def __init__(self, timeline: Timeline, every: int) -> None:
        super().__init__(timeline)
        self._every = every
        self._before: Appearance | None = None

    @property
    def stops(self) -> Stops:
        return Stops()

    def next_sample(self, now: Tick) -> Tick:
        return Tick((now // self._every + 1) * self._every)

    def take(self, outcome: Outcome) -> None:
        del outcome
        if self.only is not None and not self.only():
            return
        appearance = appearance_of(self.timeline.machine)
        if appearance != self._before:
            self._before = appearance
            self.rows.append(_Look(self.timeline.position, appearance))


def _changed(before: Appearance, after: Appearance) -> tuple[int, int]:
    """The first and the last line that is not as it was; all of them in another mode."""
    if before.mode != after.mode or len(before.lines) != len(after.lines):
        return 0, len(after.lines) - 1
    pairs = zip(before.lines, after.lines, strict=True)
    changed = [number for number, (one, other) in enumerate(pairs) if one != other]
    return changed[0], changed[-1]


def _words(appearance: Appearance, last: int | None) -> str:
    """Of text: the last line that changed and has something in it."""
    texts = appearance.texts[: len(appearance.texts) if last is None else last + 1]
    return next((text.strip() for text in reversed(texts) if text.strip()), "")
