"""Since when a lock is had, and since when somebody waits for it: looked up in the history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.engine.exits import BreakpointHit
from vmdbg.engine.stops import Breakpoints, Stops
from vmdbg.errors import VmdbgError
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.lock_words import LockKind, owner_place
from vmdbg.os.linux.locks import HeldLock, Waiting
from vmdbg.os.linux.operating_system import Linux
from vmdbg.os.seam import Task
from vmdbg.queries.queries import Queries
from vmdbg.queries.rows import AccessRow
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.view import View
from vmdbg.timeline.outcomes import TimelineOutcome
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.stops import arm
from vmdbg.units import Linear

WAITER_TASK = 16
"""Where the task is in what a waiter puts on its stack."""
_OWNER_FLAGS = 7


@dataclass(frozen=True, slots=True)
class Taken:
    """When, and by which code. `task` is who ran there, if that is known."""

    position: Position
    pc: Linear
    task: Task | None


class LockHistory:
    """As the guest stands; it stands there again after each question."""

    def __init__(self, view: View, linux: Linux) -> None:
        self._view = view
        self._kernel = linux.kernel
        self._queries = Queries(view.debugger.timeline, workers=1, on_progress=view.progress)

    def taken(self, lock: HeldLock) -> Taken | None:
        """When it was taken by who has it now. None: before the history, by many, by none, or it cannot be told."""
        match lock.kind:
            case LockKind.SPINLOCK if lock.unknown:
                return self._last_write(lock.address, 4, lambda row: _sets_first_byte(row, lock.address))
            case LockKind.MUTEX | LockKind.RWSEM | LockKind.RT_MUTEX if lock.holder is not None:
                place, holder = owner_place(self._kernel, lock.kind, lock.address), lock.holder.address
                return self._last_write(place, 8, lambda row: _makes_owner(row, place, holder))
            case _:
                return None

    def waits_since(self, waiting: Waiting) -> Position | None:
        """When it put itself on the lock's list, or came to where it spins; None: before the history."""
        if waiting.spin is not None:
            return self._came_to(waiting.spin, waiting.cpu)
        row = self._queries.who_wrote(waiting.place + WAITER_TASK, 8)
        return row.position if row is not None else None

    def _came_to(self, function: Linear, number: int | None) -> Position | None:
        """`number` is Linux's of the CPU."""
        timeline, view = self._view.debugger.timeline, self._kernel.view
        engine = timeline.machine.engine
        cpu = next((n for n, one in enumerate(view.cpus) if self._kernel.processors.number(one) == number), None)

        def is_stop(outcome: TimelineOutcome) -> bool:
            return isinstance(outcome, BreakpointHit) and engine.selected == cpu

        with elsewhen(self._view), timeline.undisturbed():
            arm(engine, Stops(Breakpoints(linear=(function,))))
            try:
                return reverse_search(timeline, is_stop, self._view.progress)
            finally:
                arm(engine, Stops())

    def _last_write(self, place: int, size: int, wanted: Callable[[AccessRow], bool]) -> Taken | None:
        row = self._queries.who_wrote(place, size, wanted=wanted)
        if row is None or row.pc is None or row.cpu is None:
            return None
        with elsewhen(self._view, row.position):
            self._view.debugger.engine.select(row.cpu)
            self._view.moments.line()
            try:
                task = self._view.system.need().current()
            except VmdbgError:
                task = None
        self._view.moments.line()
        return Taken(row.position, row.pc, task)


def _sets_first_byte(row: AccessRow, address: int) -> bool:
    """Of a spinlock, the one that says that it is had."""
    at = address - row.linear
    return 0 <= at < len(row.old) and not row.old[at] and bool(row.new[at])


def _makes_owner(row: AccessRow, place: int, owner: int) -> bool:
    if row.linear != place or len(row.new) != 8:
        return False
    before, after = (int.from_bytes(value, "little") & ~_OWNER_FLAGS for value in (row.old, row.new))
    return after == owner != before
