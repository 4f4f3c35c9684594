"""The copy of this process that goes through the history for the timeline, while the guest stands, or runs on.

It has the timeline as it was when it was copied, works for one question at a time, and is ended without being asked.
"""

from __future__ import annotations

import contextlib
import gc
import os
import stat
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from vmdbg.document.printable import printable
from vmdbg.errors import VmdbgError
from vmdbg.machine.snapshot import Position
from vmdbg.queries.copies import stand_apart
from vmdbg.queries.lifetime import live_as_worker, signals_wait
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.parallel import Part, intervals
from vmdbg.queries.scan import scan
from vmdbg.queries.survey import SurveyQuery, SurveyRow
from vmdbg.session.known_linux import linux_of
from vmdbg.session.session import Session
from vmdbg.units import Tick
from vmdbg.web.answers import StepRow
from vmdbg.web.call_lines import lines_that_ran
from vmdbg.web.work import Call, Failed, Found, Overview, Ran, Window, Work

NICE = 10
MOST_STEPS = 1500


class Surveyor:
    """The parent's side. `fileno` is readable when take() has something; only one is at work."""

    def __init__(self, session: Session) -> None:
        """Raises OSError where there is no memory for another process."""
        ours, theirs = get_context("fork").Pipe()
        self._connection: Connection = ours
        timeline = session.debugger.timeline
        self.end, self.forks = timeline.end, timeline.forks
        """Up to where the copy knows the history, and after how many forks."""
        gc.freeze()
        try:
            with signals_wait():
                self._process: BaseProcess = get_context("fork").Process(
                    target=_live, args=(session, theirs), daemon=True
                )
                self._process.start()
        finally:
            gc.unfreeze()
        theirs.close()

    def fileno(self) -> int:
        return self._connection.fileno()

    def ask(self, work: Work) -> None:
        with contextlib.suppress(OSError):  # it has ended: take() says so
            self._connection.send(work)

    def take(self) -> list[Found | Failed | Ran] | None:
        """What it has found. None: it has ended."""
        found: list[Found | Failed | Ran] = []
        try:
            while self._connection.poll():
                found.append(self._connection.recv())
        except (EOFError, OSError):
            return found or None
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


class _LeftError(Exception):
    """Something more urgent is asked for."""


def _live(session: Session, connection: Connection) -> None:
    """The copy: until its parent ends it, or is gone."""
    live_as_worker()
    os.nice(NICE)
    _close_sockets(connection.fileno())
    timeline = session.debugger.timeline
    stand_apart(timeline)
    session.progress = None
    points = session.debugger.points
    for owner in {point.owner for point in (*points.breakpoints.values(), *points.watchpoints.values())}:
        points.remove_owned(owner)
    debugger = session.debugger
    for listeners in (debugger.stop_listeners, debugger.resume_listeners, debugger.slice_listeners):
        listeners.clear()
    worker = _Worker(session, connection)
    debugger.progress_listeners[:] = [lambda _done: worker.checked(timeline.position)]
    with contextlib.suppress(EOFError, OSError):
        try:
            worker.work()
        except VmdbgError as error:
            connection.send(Failed(str(error)))
        except Exception as error:
            connection.send(Failed(f"a defect of vmdbg: {type(error).__name__}: {error}"))


def _close_sockets(kept: int) -> None:
    """They are the parent's: a client whose parent closes must not wait for a copy."""
    for name in list(Path("/proc/self/fd").iterdir()):
        number = int(name.name)
        with contextlib.suppress(OSError):
            if number != kept and stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)


class _Worker:
    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._timeline = session.debugger.timeline
        self._connection = connection
        self._known: KnownLinux | None = None
        self._overview: Overview | None = None
        self._window: Window | None = None
        self._call: Call | None = None

    def work(self) -> None:
        """Raises EOFError where the parent is gone."""
        self._known = self._find_linux()
        while True:
            self._hear(wait=self._window is None and self._overview is None and self._call is None)
            if self._call is not None:
                call, self._call = self._call, None
                with contextlib.suppress(_LeftError):
                    self._connection.send(lines_that_ran(self._session, call, self.checked))
            elif self._window is not None:
                window, self._window = self._window, None
                self._look_at(window)
            elif self._overview is not None:
                self._go_on(self._overview)

    def _find_linux(self) -> KnownLinux | None:
        debugger = self._session.debugger
        debugger.running = False  # of this copy nobody's run goes on
        try:
            return linux_of(self._session)
        except VmdbgError:
            return None

    def _hear(self, *, wait: bool) -> None:
        while wait or self._connection.poll():
            wait = False
            match self._connection.recv():
                case Overview() as overview:
                    self._overview = overview
                case Window() as window:
                    self._window = window
                case Call() as call:
                    self._call = call

    def checked(self, _position: Position) -> None:
        self._hear(wait=False)
        if self._window is not None or self._call is not None:
            raise _LeftError

    def _go_on(self, overview: Overview) -> None:
        """One part of the history more."""
        part = self._next_part(overview.start)
        if part is None:
            self._overview = None
            self._connection.send(Found(overview, Tick(self._timeline.end.tick), None))
            return
        with contextlib.suppress(_LeftError):
            row = self._scan(SurveyQuery(overview.length, self._known), part, self.checked)
            self._connection.send(Found(overview, part[1].tick, row))
            self._overview = Overview(overview.length, part[1])

    def _next_part(self, start: Position) -> Part | None:
        for begin, end in intervals(self._timeline):
            if end > start:
                return max(begin, start), end
        return None

    def _look_at(self, window: Window) -> None:
        timeline = self._timeline
        start = max(timeline.start, Position(window.start))
        end = min(timeline.end, Position(window.end))
        if start >= end:
            self._connection.send(Found(window, window.end, SurveyRow(window.length)))
            return
        query = SurveyQuery(window.length, self._known, each=window.each)
        with contextlib.suppress(_LeftError):
            row = self._scan(query, (start, end), self.checked)
            steps = self._steps(start, end) if window.steps else ()
            self._connection.send(Found(window, end.tick, row, steps))

    def _steps(self, start: Position, end: Position) -> tuple[StepRow, ...]:
        timeline, debugger = self._timeline, self._session.debugger
        rows: list[StepRow] = []
        with timeline.undisturbed():
            timeline.go(start)
            while timeline.position < end and len(rows) < MOST_STEPS:
                pc, position = debugger.pc, timeline.position
                place = printable(self._session.describe(pc)) or f"{pc:#x}"
                rows.append(StepRow(str(position), position.tick, debugger.engine.selected, place))
                timeline.step(patient=False)
                if timeline.position <= position:
                    break
        return tuple(rows)

    def _scan(self, query: SurveyQuery, part: Part, checked: Callable[[Position], None]) -> SurveyRow:
        (row,) = scan(self._timeline, query, *part, checked)
        assert isinstance(row, SurveyRow)
        return row
