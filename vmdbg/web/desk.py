"""What pages ask for is done here, in the thread of the run loop; what happens to the guest they are told from here."""

from __future__ import annotations

import codecs
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, assert_never

from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.document.printable import printable
from vmdbg.errors import UserError, VmdbgError
from vmdbg.machine.inputs import Input
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.session.symbol_file import SymbolFile
from vmdbg.web.answering import Answering
from vmdbg.web.answers import (
    Answer,
    Changed,
    ConsoleWrote,
    Done,
    Message,
    Progress,
    RanLines,
    Refused,
    Result,
    Surveyed,
)
from vmdbg.web.notebook import Notebook
from vmdbg.web.requests import AddNote, ChangeNote, Command, DeleteNote, Pause, Request
from vmdbg.web.server import Asked, Event, Joined, Left, Page
from vmdbg.web.state import state_of
from vmdbg.web.survey import Survey
from vmdbg.web.survey_cache import SurveyCache

OWNER = "web"
NOTES = ".notes.json"
"""Behind the name of the recording that notes are on."""
LEAVE_SECONDS = 5.0
"""How long pages are thought to be there after the last has gone: one that is loaded again comes back."""
TELL_SECONDS = 0.1
"""Between two words of how far a running guest is."""
BUSY_SECONDS = 0.3
"""What is over sooner needs no progress shown."""
HEAR_SECONDS = 0.02
GOING = "going through time"
SEARCHING = "searching the history"


class Server(Protocol):
    """vmdbg.web.server, as far as it is needed here."""

    def fileno(self) -> int: ...

    def take(self) -> list[Event]: ...

    def tell(self, page: Page, message: Message) -> None: ...

    def close(self) -> None: ...


class Desk:
    """`wait` carries a run of a command to its stop. `push` has something come from outside; `others` names
    who else is at the machine.
    """

    def __init__(
        self,
        debugger: Debugger,
        server: Server,
        *,
        allowed: Effect,
        push: Callable[[Input], None],
        recording: Path | None = None,
        symbols: Sequence[SymbolFile] = (),
        owner: str = OWNER,
    ) -> None:
        """`allowed`: what commands of a page may do. `recording`: the file of the history, if it is in one."""
        self._debugger = debugger
        self._server = server
        self._files = selectors.DefaultSelector()
        self._files.register(server.fileno(), selectors.EVENT_READ)
        self._allowed = allowed
        self._push = push
        self._notebook = Notebook(recording.with_name(f"{recording.name}{NOTES}") if recording is not None else None)
        self._cache = SurveyCache(recording) if recording is not None else None
        self._symbols = symbols
        self.owner = owner
        self.wait: Callable[[Debugger], Stop] = lambda debugger: debugger.wait()
        self.others: Callable[[], Sequence[str]] = tuple
        self._session: Session | None = None
        self._survey: Survey | None = None
        self._answering: Answering | None = None
        self._pages: list[Page] = []
        self._left_at: float | None = None
        self._waiting: deque[Asked] = deque()
        self._wrote: list[str] = []
        self._console = codecs.getincrementaldecoder("utf-8")("replace")
        self._told_at = self._heard_at = 0.0
        self._busy_since: float | None = None
        self._progress = ""
        """What pages were told of that is not over."""
        self._cancelled = False
        self._stopped_it = False
        """Whether it was a page that stopped the guest."""

    # who is there

    @property
    def has_pages(self) -> bool:
        return bool(self._pages) or self._left_at is not None

    def fileno(self) -> int:
        descriptor: int = self._files.fileno()
        return descriptor

    def _join(self, page: Page) -> None:
        self._left_at = None
        self._pages.append(page)
        if self._session is None:
            self._begin()
        self._tell_state([page])

    def _begin(self) -> None:
        session = Session(self._debugger, catalog.commands(), allowed=self._allowed, owner=self.owner)
        session.execution.wait, session.progress = lambda debugger: self.wait(debugger), self._searching
        for file in self._symbols:
            session.sources.use(file)
        self._session, self._survey = session, Survey(session, self._files, self._cache)
        self._answering = Answering(session, self._survey, self._notebook, self._push)
        debugger = self._debugger
        debugger.stop_listeners.append(self._stopped)
        debugger.resume_listeners.append(self._resumed)
        debugger.progress_listeners.append(self._going)
        debugger.timeline.console.listeners.append(self._on_console)

    def _leave(self) -> None:
        """No page is left: points go, and the guest goes on if it was a page that had stopped it."""
        self._left_at = None
        session, self._session = self._session, None
        if session is None:
            return
        debugger = self._debugger
        debugger.stop_listeners.remove(self._stopped)
        debugger.resume_listeners.remove(self._resumed)
        debugger.progress_listeners.remove(self._going)
        debugger.timeline.console.listeners.remove(self._on_console)
        if self._survey is not None:
            self._survey.close()
            self._survey = self._answering = None
        session.close()
        debugger.let_go(self.owner)

    def close(self) -> None:
        self._leave()
        self._server.close()
        self._files.close()

    # what is asked

    def hear(self) -> None:
        """Take what has come: what stops something counts at once, the rest waits for its turn."""
        for event in self._server.take():
            match event:
                case Joined(page):
                    self._join(page)
                case Left(page):
                    self._pages.remove(page)
                    self._waiting = deque(one for one in self._waiting if one.page is not page)
                    if not self._pages:
                        self._left_at = time.monotonic()
                case Asked(page, Pause() as request):
                    self._pause()
                    self._server.tell(page, Answer(request.id, Done()))
                case Asked():
                    self._waiting.append(event)
                case _:
                    assert_never(event)

    def poll(self) -> bool:
        """Do what is due. Whether anything was asked."""
        self.hear()
        asked = bool(self._waiting)
        while self._waiting:
            one = self._waiting.popleft()
            self._server.tell(one.page, self._answer(one.request))
        self._flush()
        if self._pages and self._survey is not None and self._survey.poll():
            self._tell_all(Surveyed(self._survey.done))
            ran, self._survey.ran = self._survey.ran, None
            if ran is not None:
                where = str(ran.call.here)
                self._tell_all(RanLines(where, printable(ran.file), list(ran.lines), ran.begin, printable(ran.why)))
        if self._left_at is not None and time.monotonic() - self._left_at > LEAVE_SECONDS:
            self._go_on()
        if self._debugger.running and time.monotonic() - self._told_at > TELL_SECONDS:
            self._tell_state(self._pages)
        return asked

    def _go_on(self) -> None:
        ours = self._stopped_it and not self._debugger.running and self._debugger.timeline.live
        self._leave()
        if ours and not self.others():
            self._debugger.resume(Continue())

    def _pause(self) -> None:
        self._cancelled = True
        if self._debugger.running:
            self._stopped_it = True
            self._debugger.interrupt(self.owner)

    def _answer(self, request: Request) -> Message:
        try:
            return Answer(request.id, self._done(request))
        except VmdbgError as error:
            return Refused(request.id, str(error))
        except Exception as error:
            return Refused(request.id, f"a defect of vmdbg: {type(error).__name__}: {error}")
        finally:
            self._end_progress()

    def _done(self, request: Request) -> Result:
        if self._answering is None:
            raise UserError("no page is there any more")
        self._cancelled = False
        if isinstance(request, Command):
            self._busy_since = time.monotonic()
        result = self._answering.answer(request)
        if isinstance(request, AddNote | ChangeNote | DeleteNote):
            self._tell_all(Changed())
        if isinstance(request, Command) and not self._debugger.running:
            self._tell_state(self._pages)
        return result

    # what pages are told

    def _tell_all(self, message: Message) -> None:
        for page in self._pages:
            self._server.tell(page, message)

    def _tell_state(self, pages: Sequence[Page]) -> None:
        self._told_at = time.monotonic()
        if self._session is None or not pages:
            return
        state = state_of(self._session, [*self.others(), *[self.owner] * len(self._pages)])
        for page in pages:
            self._server.tell(page, state)

    def _stopped(self, _stop: Stop) -> None:
        self._end_progress()
        self._flush()
        if self._debugger.run_by == self.owner:
            self._stopped_it = True
        self._tell_state(self._pages)

    def _resumed(self) -> None:
        self._busy_since = time.monotonic()
        self._stopped_it = False
        self._tell_state(self._pages)

    def _on_console(self, port: int, data: bytes, _tick: int) -> None:
        if port == self._debugger.timeline.console.talking:
            self._wrote.append(self._console.decode(data))

    def _flush(self) -> None:
        if self._wrote:
            text = "".join(self._wrote)
            self._wrote.clear()
            self._tell_all(ConsoleWrote(text))

    def _going(self, done: float) -> None:
        """In the midst of a way through time."""
        self._tell_progress(GOING, done)
        if self._hear_sometimes() and not self._pages:
            self._debugger.interrupt(self.owner)

    def _searching(self, done: float) -> None:
        """In the midst of a question to the history. Raises UserError where it is not to be answered any more."""
        self._tell_progress(SEARCHING, done)
        self._hear_sometimes()
        if self._cancelled or not self._pages:
            raise UserError("it was cancelled")

    def _hear_sometimes(self) -> bool:
        now = time.monotonic()
        if now - self._heard_at < HEAR_SECONDS:
            return False
        self._heard_at = now
        self.hear()
        return True

    def _tell_progress(self, what: str, done: float) -> None:
        now = time.monotonic()
        begun = self._busy_since if self._busy_since is not None else now
        if now - begun > BUSY_SECONDS and now - self._told_at > TELL_SECONDS:
            self._told_at = now
            self._progress = what
            self._tell_all(Progress(what, done))

    def _end_progress(self) -> None:
        self._busy_since = None
        if self._progress:
            self._tell_all(Progress(self._progress, None))
            self._progress = ""
