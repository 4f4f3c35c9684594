"""Letting the guest move on behalf of a session, and what happens when it stops."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.actions import Action
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.points import Point
from vmdbg.debugger.runs import Run
from vmdbg.debugger.stops import BreakpointStop, RunFailed, Stop, WatchpointStop
from vmdbg.document.document import EMPTY, Document
from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.stop_report import report
from vmdbg.session.view import View

MAX_ROUNDS = 10_000


class Execution:
    """`wait` carries a run to its stop: front ends put in one that looks after terminals and sockets meanwhile.

    `on_point` holds lines to execute when a point stops the guest, by its number.
    """

    def __init__(self, view: View, run: Callable[[str], Document]) -> None:
        """`run` carries out a line."""
        self._view = view
        self._run = run
        self.wait: Callable[[Debugger], Stop] = lambda debugger: debugger.wait()
        self.on_point: dict[int, tuple[str, ...]] = {}
        self._again: Callable[[], None] | None = None
        self._inside = False
        self._planned: list[Callable[[], Run]] | None = None
        """While a line is carried out of which only the plan is wanted."""

    def act(self, action: Action) -> Document:
        """Carry out an action of the debugger."""
        return self.carry(lambda debugger: debugger.run_for(action))

    def carry(self, start: Callable[[Debugger], Run]) -> Document:
        """Carry out a run made of several."""
        debugger = self._view.debugger
        if self._planned is not None:
            self._planned.append(lambda: start(debugger))
            return EMPTY
        return self._go(lambda: debugger.carry_out(lambda: start(debugger), self._view.owner))

    def plan(self, line: str) -> Run:
        """What a line has the guest do from here, for somebody else to carry out. Raises VmdbgError."""
        planned: list[Callable[[], Run]] = []
        self._planned = planned
        try:
            self._run(line)
        finally:
            self._planned = None
        if len(planned) != 1:
            raise UserError(f"{line}: that is nothing that the guest does")
        return planned[0]()

    def _go(self, begin: Callable[[], None]) -> Document:
        if self._inside:
            self._again = begin
            return EMPTY
        before = EMPTY
        for _ in range(MAX_ROUNDS):
            begin()
            stop = self.wait(self._view.debugger)
            if isinstance(stop, RunFailed):
                raise UserError(stop.words) from stop.error
            result = before + report(self._view, stop) if before.blocks else report(self._view, stop)
            lines = self._lines_for(stop)
            if not lines:
                return result
            self._again = None
            result = result + self._attached(lines)
            if self._again is None:
                return result
            begin, before = self._again, result
        raise UserError(f"the commands of a breakpoint let the guest go on {MAX_ROUNDS} times: use a logpoint")

    def _lines_for(self, stop: Stop) -> tuple[str, ...]:
        return tuple(line for point in points_of(stop) for line in self.on_point.get(point.number, ()))

    def _attached(self, lines: tuple[str, ...]) -> Document:
        """What the lines of a breakpoint answer; one that lets the guest go on is the last."""
        result = EMPTY
        self._inside = True
        try:
            for line in lines:
                result = result + self._run(line)
                if self._again is not None:
                    break
        except VmdbgError as error:
            raise UserError(f"in the commands of a breakpoint: {error}") from error
        finally:
            self._inside = False
        return result


def points_of(stop: Stop) -> list[Point]:
    match stop:
        case BreakpointStop(breakpoints):
            return list(breakpoints)
        case WatchpointStop(hits):
            return [point for point, _ in hits]
        case _:
            return []
