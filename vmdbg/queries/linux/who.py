"""Who ran where rows of any question happened, in a guest whose Linux is known. It can be sent to another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmdbg.engine.port import Engine
from vmdbg.os.linux.bios import BioLocator
from vmdbg.os.linux.current_locator import CurrentLocator
from vmdbg.os.seam import CurrentTask
from vmdbg.queries.guest_memory import Ram
from vmdbg.queries.scan import Query, Row, RowScan, Scan, joined
from vmdbg.timeline.timeline import Timeline

_MOST_PID = 1 << 22
"""PID_MAX_LIMIT (include/linux/threads.h)."""


@dataclass(frozen=True, slots=True)
class WhoRuns:
    """How it is told who runs, and what is asked of disks if that can be told."""

    locator: CurrentLocator
    bios: BioLocator | None = None


@dataclass(frozen=True, slots=True)
class Attributed:
    """A question whose rows have who ran, in the fields that they have for that."""

    query: Query
    locator: CurrentLocator

    def begin(self, timeline: Timeline) -> Scan:
        scan = self.query.begin(timeline)
        assert isinstance(scan, RowScan), "every question of ours is"
        engine = timeline.machine.engine
        scan.completed = lambda row: with_who(row, who_runs(self.locator, engine))
        return scan

    def join(self, parts: Sequence[Sequence[Row]]) -> list[Row]:
        return joined(self.query, parts)


def with_who(row: Row, task: CurrentTask | None) -> Row:
    """A row with who ran, if it has room for that and a CPU that did it."""
    if task is None or getattr(row, "pid", 0) is not None or getattr(row, "cpu", None) is None:
        return row
    return replace(row, task=task.name, pid=task.pid)


def who_runs(locator: CurrentLocator, engine: Engine) -> CurrentTask | None:
    """None where that cannot be told."""
    return _known(locator.read(Ram(engine), engine.read_register))


def _known(task: CurrentTask | None) -> CurrentTask | None:
    """None for what cannot be one: before the kernel has any, memory holds other things."""
    if task is None or not 0 <= task.pid < _MOST_PID or not task.name or not task.name.isprintable():
        return None
    return task
