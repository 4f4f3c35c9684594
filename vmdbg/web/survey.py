"""The timeline's counts: those of the whole history, and finer ones of what pages look at."""

from __future__ import annotations

import selectors
from collections import OrderedDict
from dataclasses import dataclass

from vmdbg.debugger.debugger import Debugger
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.machine.snapshot import Position
from vmdbg.queries.copies import can_fork
from vmdbg.queries.survey import Moment
from vmdbg.session.history_strip import without_escapes
from vmdbg.session.session import Session
from vmdbg.units import Tick
from vmdbg.web.answers import LogLine, LogView, MomentRow, StepRow, StripView
from vmdbg.web.requests import Strip
from vmdbg.web.survey_cache import SurveyCache
from vmdbg.web.survey_store import STRETCHES, SurveyStore, length_for
from vmdbg.web.surveying import Surveyor
from vmdbg.web.work import Call, Failed, Found, Overview, Ran, Window

FINE = 1024
"""Stretches of a window that is counted by itself."""
MOST_WINDOWS = 24
EACH_TICKS = 8_000_000
"""Windows up to which everything is told one by one."""
STEPS_TICKS = 4096
WORTH = 100
"""A history that has grown by less than one part in so many is not gone through for that."""
MOST_LINES = 1500
"""Of the console: at its beginning, and at its end."""
LONGEST_LINE = 300
WHY_NOT = "a run that is being recorded is not counted: open the recording"


@dataclass(frozen=True, slots=True)
class _Fine:
    store: SurveyStore
    moments: tuple[Moment, ...]
    steps: tuple[StepRow, ...]


class Survey:
    """Has a copy of this process at work while pages are there. `files` is told of what is to be waited for."""

    def __init__(self, session: Session, files: selectors.BaseSelector, cache: SurveyCache | None = None) -> None:
        """`cache` is of the recording that the history is in, if it is in one."""
        self._session = session
        self._debugger: Debugger = session.debugger
        self._files = files
        self._cache = cache
        self._surveyor: Surveyor | None = None
        self._store = SurveyStore(1)
        self._forks = self._debugger.timeline.forks
        self._windows: OrderedDict[Window, _Fine | None] = OrderedDict()
        """None: it is asked for."""
        self._is_over = False
        """Whether the copy has counted all that it knows."""
        self.ran: Ran | None = None
        """What was found last of the lines of a call."""
        self.failed = ""
        """Why there is no copy."""

    @property
    def done(self) -> float:
        timeline = self._debugger.timeline
        span = timeline.end.tick - timeline.start.tick
        return min(1.0, max(0, self._store.until - timeline.start.tick) / span) if span else 1.0

    def poll(self) -> bool:
        """Take what was found. Whether anything was."""
        self._renew()
        if self._surveyor is None:
            return False
        found = self._surveyor.take()
        if found is None:
            self.close()
            self.failed = "the copy of vmdbg that counted has ended: memory may be short"
            return True
        for one in found:
            if isinstance(one, Failed):
                self.close()
                self.failed = one.why
                return True
            if isinstance(one, Ran):
                self.ran = one
            else:
                self._add(one)
        return bool(found)

    def _add(self, found: Found) -> None:
        match found.work:
            case Overview():
                if found.row is None:
                    self._is_over = True
                    self._keep()
                else:
                    self._store.add(found.row, found.until)
            case Call():
                pass
            case Window() as window:
                assert found.row is not None
                store = SurveyStore(window.length)
                store.add(found.row, found.until)
                if window in self._windows:
                    self._windows[window] = _Fine(store, tuple(found.row.moments), found.steps)

    def _keep(self) -> None:
        timeline = self._debugger.timeline
        if self._cache is not None and timeline.closed and self._store.until >= timeline.end.tick:
            self._cache.save(self._store)

    def _renew(self) -> None:
        """Another copy where the history is another, or has grown."""
        debugger, timeline = self._debugger, self._debugger.timeline
        if timeline.forks != self._forks:
            self.close()
            self._forks, self._store, self.failed = timeline.forks, SurveyStore(1), ""
        if debugger.running or self.failed or timeline.end.tick <= timeline.start.tick:
            return
        surveyor = self._surveyor
        if surveyor is not None:
            grown = timeline.end.tick - surveyor.end.tick
            if not self._is_over or grown * WORTH <= timeline.end.tick - timeline.start.tick:
                return
        self.close()
        self._begin()

    def _begin(self) -> None:
        timeline = self._debugger.timeline
        if not can_fork():
            self.failed = WHY_NOT
            return
        try:
            surveyor = Surveyor(self._session)
        except OSError as error:
            self.failed = f"no copy of vmdbg can be made to count: {error.strerror or error}"
            return
        self._surveyor, self._is_over = surveyor, False
        self._files.register(surveyor.fileno(), selectors.EVENT_READ)
        kept = self._cache.load() if self._cache is not None and timeline.closed and not self._forks else None
        if kept is not None:
            self._store = kept
        if not self._store.until:
            self._store = SurveyStore(length_for(timeline.end.tick, STRETCHES))
        surveyor.ask(Overview(self._store.length, max(timeline.start, Position(Tick(self._store.until)))))

    def call_lines(self) -> None:
        """Ask which lines have run in the call in which the guest stands; `ran` will say. Raises UserError."""
        debugger = self._debugger
        call = Call(debugger.position, debugger.engine.selected)
        if self._surveyor is None or debugger.position > self._surveyor.end:
            self.close()
            self._begin()
        if self._surveyor is None:
            raise UserError(self.failed)
        self._surveyor.ask(call)

    def strip(self, request: Strip) -> StripView:
        start, end = request.start, max(request.end, request.start + 1)
        fine = self._fine(start, end)
        store = fine.store if fine is not None else self._store
        counted = store.window(start, end, request.stretches)
        is_coarse = fine is None and counted.length > length_for(end - start, request.stretches)
        return StripView(
            start,
            end,
            counted.length,
            counted.first,
            max(store.until, self._store.until),
            is_coarse,
            {kind.value: counts for kind, counts in counted.counts.items()},
            sorted((int(cpu), runs) for cpu, runs in counted.lanes.items()),
            counted.processes,
            [_moment(one) for one in fine.moments if start <= one.position.tick <= end] if fine is not None else [],
            [one for one in fine.steps if start <= one.tick <= end] if fine is not None else [],
            self.failed,
        )

    def _fine(self, start: int, end: int) -> _Fine | None:
        """Counts by which such a window can be shown well; asked for where there are none."""
        length = length_for(end - start, FINE)
        if length * 2 > self._store.length or self._surveyor is None or start >= self._surveyor.end.tick:
            return None
        block = length * FINE
        begin = start // block * block
        ticks = 2 * block
        window = Window(Tick(begin), Tick(begin + ticks), length, ticks <= EACH_TICKS, ticks <= STEPS_TICKS)
        if window not in self._windows:
            self._ask(window)
        self._windows.move_to_end(window)
        return self._windows[window]

    def _ask(self, window: Window) -> None:
        assert self._surveyor is not None
        for other in [one for one, found in self._windows.items() if found is None]:
            del self._windows[other]  # the copy works for the last who asks
        while len(self._windows) >= MOST_WINDOWS:
            self._windows.popitem(last=False)
        self._windows[window] = None
        self._surveyor.ask(window)

    def log(self) -> LogView:
        """The lines of the console."""
        console = self._debugger.timeline.console
        lines = [(tick, words) for tick, words in console.port(console.talking).lines() if words.strip()]
        left_out = max(0, len(lines) - 2 * MOST_LINES)
        shown = lines if not left_out else [*lines[:MOST_LINES], *lines[-MOST_LINES:]]
        return LogView([LogLine(int(tick), without_escapes(words)[:LONGEST_LINE]) for tick, words in shown], left_out)

    def close(self) -> None:
        if self._surveyor is not None:
            self._files.unregister(self._surveyor.fileno())
            self._surveyor.close()
        self._surveyor, self._is_over = None, False
        self._windows.clear()


def _moment(moment: Moment) -> MomentRow:
    return MomentRow(
        str(moment.position), int(moment.position.tick), moment.kind.value, int(moment.cpu), printable(moment.what)
    )
