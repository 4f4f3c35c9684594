"""The turns that led to where a machine stands."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.errors import UserError
from vmdbg.machine.schedule import Turn
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

SLICE = 50_000_000
"""Ticks between two words of progress."""


def turns_so_far(timeline: Timeline, on_progress: Callable[[float], None] = lambda _done: None) -> tuple[Turn, ...]:
    """Since power-on. If they were not noted as they came, the way is gone once more.

    Raises UserError for turns that cannot be told, and whatever `on_progress` raises, standing where it stood.
    """
    machine, here = timeline.machine, timeline.position
    turns = machine.cpus.turns
    if not turns.several:
        raise UserError("this machine has one CPU, whose turn it always is")
    if timeline.start.tick:
        raise UserError(f"the turns before tick {timeline.start.tick}, where this history begins, are not known")
    if turns.log is None or turns.log.lost:
        with timeline.undisturbed():
            try:
                timeline.seek(timeline.start)
                turns.note()
                while timeline.position.tick < here.tick and machine.ending is None:
                    timeline.run(Tick(min(timeline.position.tick + SLICE, here.tick)))
                    on_progress(timeline.position.tick / max(here.tick, 1))
            finally:
                timeline.seek(here)
    assert turns.log is not None
    return turns.log.turns(here.tick)
