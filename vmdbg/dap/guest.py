"""A machine as what a client debugs (dapstub.target.Debugger), and what the client hears of it."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dapstub import values
from dapstub.errors import ClientGoneError, TargetError
from dapstub.json_values import Json
from dapstub.target import Client, Target
from vmdbg.commands import catalog
from vmdbg.dap.breakpoints import GuestBreakpoints
from vmdbg.dap.catches import FILTERS
from vmdbg.dap.code import GuestCode
from vmdbg.dap.errors import refusals
from vmdbg.dap.evaluation import GuestData
from vmdbg.dap.execution import GuestExecution
from vmdbg.dap.memory import GuestMemory
from vmdbg.dap.references import References
from vmdbg.dap.settings import Settings, settings_of
from vmdbg.dap.source_files import SourceFiles
from vmdbg.dap.stack import GuestStack
from vmdbg.dap.stops import stopped
from vmdbg.dap.tasks import SleepingTasks
from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.session.symbol_file import SymbolFile

OWNER = "dap"
PROGRESS_SECONDS = 0.5
"""What is over sooner needs no progress shown."""
GOING = "going through time"
SEARCHING = "searching the history"


class GuestDebugger:
    """One client at a time. `wait` carries a run of a command to its stop; `hear` reads what the client says meanwhile,
    and raises ClientGoneError.
    """

    filters = FILTERS

    def __init__(
        self,
        debugger: Debugger,
        *,
        allowed: Effect,
        symbols: Sequence[SymbolFile] = (),
        owner: str = OWNER,
        stands: bool = False,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        """`allowed`: what commands of the client may do. `stands`: the guest waits for it to let the guest run.
        `is_held`: whether another front end was told that the guest stands.
        """
        self._debugger = debugger
        self._allowed = allowed
        self._symbols = symbols
        self._is_held = is_held
        self.owner = owner
        self.page = ""
        """The URL of the same machine's page for browsers, if there is one: the client is told."""
        self._stands = stands
        self.wait: Callable[[Debugger], Stop] = lambda debugger: debugger.wait()
        self.hear: Callable[[], None] = lambda: None
        self._client: Client | None = None
        self._session: Session | None = None
        self._execution: GuestExecution | None = None
        self._breakpoints: GuestBreakpoints | None = None
        self._references: References | None = None
        self._settings = Settings()
        self._launched = False
        self.ended = False
        """Whether the client wants the run to be over."""
        self._console = codecs.getincrementaldecoder("utf-8")("replace")
        self._busy_since: float | None = None

    # clients

    @property
    def has_client(self) -> bool:
        return self._client is not None

    @property
    def holds(self) -> bool:
        """Whether a client was told that the guest stands."""
        return self._client is not None and not self._debugger.running

    def launch(self, arguments: Mapping[str, Json], client: Client) -> Target:
        self._launched = True
        return self._join(arguments, client)

    def attach(self, arguments: Mapping[str, Json], client: Client) -> Target:
        self._launched = False
        return self._join(arguments, client)

    def _join(self, arguments: Mapping[str, Json], client: Client) -> Target:
        self._settings = settings_of(arguments)
        session = Session(self._debugger, catalog.commands(), allowed=self._allowed, owner=self.owner)
        try:
            return self._seated(session, client)
        except BaseException:
            if self._session is None:
                session.close()
            self._leave()
            raise

    def _seated(self, session: Session, client: Client) -> Target:
        if self._settings.symbols and Effect.HOST not in self._allowed:
            raise TargetError("symbols are files of this host, for its own clients to name: start with --symbols")
        session.execution.wait, session.progress = self.wait, self._searching
        session.part(SleepingTasks).enabled = self._settings.tasks
        for file in self._symbols:
            session.sources.use(file)
        with refusals():
            for path in self._settings.symbols:
                session.sources.add(Path(path), None)
        references = self._references = References(session)
        sources = SourceFiles(session, self._settings.source_map)
        execution = GuestExecution(session, references, sources)
        log = self._log_line
        breakpoints = GuestBreakpoints(session, references, sources, log)
        self._session, self._execution, self._breakpoints, self._client = session, execution, breakpoints, client
        debugger = self._debugger
        debugger.stop_listeners.append(self._stopped)
        debugger.resume_listeners.append(self._resumed)
        debugger.progress_listeners.append(self._going)
        debugger.timeline.console.listeners.append(self._wrote)
        if self.page:
            client.output(values.Category.CONSOLE, f"the page for browsers: {self.page}\n")
        with refusals():
            for line in self._settings.commands:
                session.run(line)
        return Target(
            execution,
            GuestStack(session, references, sources),
            GuestData(session, references, client),
            breakpoints,
            GuestCode(session, sources),
            GuestMemory(session, references),
        )

    def configured(self) -> None:
        debugger, entry = self._debugger, self._settings.stop_on_entry
        if debugger.running:
            if entry:
                debugger.interrupt(self.owner)
            return
        if self._stands and not entry:
            self._stands = False
            assert self._execution is not None
            self._execution.go(0)
            return
        self._stands = False
        self._tell_entry()

    def _tell_entry(self) -> None:
        if self._client is not None:
            thread = self._debugger.stopped_cpu + 1
            self._client.stopped(values.Stopped(values.StopReason.ENTRY, thread))

    def restart(self) -> None:
        """Back to the first instant; what came after it is forgotten, unless it is a recording's."""
        if self._debugger.running:
            self._debugger.interrupt(self.owner)
            self._debugger.wait()
        with refusals():
            self._debugger.restart()
        if self._settings.stop_on_entry is False:
            assert self._execution is not None
            self._execution.go(0)
        else:
            self._tell_entry()

    def disconnect(self, *, terminate: bool | None) -> None:
        """What the client has launched ends with it; what it attached to goes on, unless it says otherwise, or another
        front end holds it.
        """
        self.ended = self.ended or (self._launched if terminate is None else terminate)
        held = self.holds and not self._is_held()
        self._leave()
        self._debugger.let_go(self.owner)
        if held and not self.ended and not self._debugger.running and self._debugger.timeline.live:
            self._debugger.resume(Continue())

    def _leave(self) -> None:
        if self._session is None or self._client is None:
            return
        debugger = self._debugger
        debugger.stop_listeners.remove(self._stopped)
        debugger.resume_listeners.remove(self._resumed)
        debugger.progress_listeners.remove(self._going)
        debugger.timeline.console.listeners.remove(self._wrote)
        if self._breakpoints is not None:
            self._breakpoints.clear()
        self._session.close()
        self._session = self._client = self._execution = self._breakpoints = self._references = None

    def close(self) -> None:
        if self._client is not None:
            self._client.terminated()
        self._leave()

    # what the client hears

    def look(self) -> None:
        """What another front end has changed, or moved without a stop, is to be shown anew."""
        references = self._references
        if self._client is None or references is None or self._debugger.running or not references.are_outdated:
            return
        references.forget()
        self._client.invalidated()

    def _stopped(self, stop: Stop) -> None:
        if self._client is None or self._session is None or self._execution is None or self._breakpoints is None:
            return
        self._client.progress(GOING, None)
        self._busy_since = None
        if self._references is not None:
            self._references.forget()
        reason, self._execution.reason = self._execution.reason, None
        for one in self._breakpoints.settled():
            self._client.breakpoint_changed(one)
        self._client.stopped(stopped(self._session, self._breakpoints, stop, reason))

    def _resumed(self) -> None:
        """Whoever lets the guest run: the client knows of what it asked for itself."""
        self._busy_since = time.monotonic()
        if self._client is not None and self._execution is not None and not self._execution.beginning:
            self._client.continued(self._debugger.engine.selected + 1)

    def _wrote(self, port: int, data: bytes, _tick: int) -> None:
        """What the guest writes to its console."""
        if port != self._debugger.timeline.console.talking:
            return
        text = self._console.decode(data)
        if text and self._client is not None:
            lines = "\n".join(printable(line) for line in text.replace("\r", "").split("\n"))
            self._client.output(values.Category.STDOUT, lines)

    def _log_line(self, words: str) -> None:
        if self._client is not None:
            self._client.output(values.Category.CONSOLE, words)

    def _going(self, done: float) -> None:
        """In the midst of a way through time: who asked for it may end it, or be gone."""
        if self._client is None:
            return
        if self._busy_since is not None and time.monotonic() - self._busy_since > PROGRESS_SECONDS:
            self._client.progress(GOING, done)
        try:
            self.hear()
        except ClientGoneError:
            self._debugger.interrupt(self.owner)

    def _searching(self, done: float) -> None:
        """In the midst of a question to the history. Raises UserError where it is not to be answered any more."""
        execution = self._execution
        if self._client is None or execution is None:
            raise UserError("the client is gone")
        self._client.progress(SEARCHING, done)
        execution.cancelled = False
        try:
            self.hear()
        except ClientGoneError as error:
            raise UserError(str(error)) from error
        if execution.cancelled:
            raise UserError("it was cancelled")
