"""Lines carried out on behalf of a prompt: what they answer, and what others have to say meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vmdbg.commands import catalog
from vmdbg.commands.code.context import show
from vmdbg.commands.code.context_state import ContextState
from vmdbg.commands.points.logpoint import Log
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.document.document import Document
from vmdbg.document.printable import printable
from vmdbg.errors import VmdbgError
from vmdbg.host.control_c import control_c_interrupts
from vmdbg.host.realtime import Place
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.signals import SIGNALS
from vmdbg.interruption import INTERRUPTION, StoppedError
from vmdbg.machine.snapshot import Position
from vmdbg.repl.builtin import add_commands
from vmdbg.repl.console import GuestConsole
from vmdbg.repl.guest_run import GuestRun
from vmdbg.repl.interjections import Interjections, Write
from vmdbg.repl.leaving import Leave
from vmdbg.repl.output import Output
from vmdbg.repl.progress import ProgressLine
from vmdbg.repl.screen import Painter
from vmdbg.repl.themes import Theme, default_theme
from vmdbg.session.oops_watch import OopsWatch
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.session.stop_report import report

if TYPE_CHECKING:
    from vmdbg.repl.prompt import Prompt

EVERYTHING = ~Effect.NONE


class Lines:
    """Carries out lines and shows what they answer.

    `loop` runs the guest, and looks after all else meanwhile. `console`: the caller has the guest's console, or nobody
    who would need it.
    """

    def __init__(
        self,
        debugger: Debugger,
        loop: RunLoop,
        *,
        session: Session | None = None,
        console: bool = False,
        theme: Theme | None = None,
        as_json: bool = False,
    ) -> None:
        self.debugger = debugger
        self.session = session if session is not None else Session(debugger, catalog.commands(), allowed=EVERYTHING)
        self.loop = loop
        self.theme = theme or default_theme()
        self.left: Leave | None = None
        self.realtime = loop.realtime
        self._at_prompt = False
        self._progress = ProgressLine()
        self._guest = GuestConsole(self._progress.hide)
        self._interjections = Interjections(self._make_room)
        self.output = Output(self.theme, self._guest, self._interjections, as_json=as_json, idle=loop.serve)
        self._run = GuestRun(loop, self._guest, self._progress)
        self._prompt: Prompt | None = None
        self.full_screen = False
        """Whether the user wants panes around the line; `memory_pane`: of which memory, "" for the stack's."""
        self.memory_pane = ""
        self._last = ""
        self._interrupted = False
        self.alone = not self.output.interactive
        self._watching = False
        debugger.timeline.console.listeners.append(self._guest.on_output)
        self.session.execution.wait = self._run.wait
        self.session.progress = self._share
        self.session.show = self._show_part
        self.session.tell = self._tell
        debugger.stop_listeners.append(self._on_stop)
        self.session.part(Log).listeners.append(self._on_log)
        add_commands(self, console=console)

    @property
    def alone(self) -> bool:
        """Whether nobody is there to type another line: Ctrl-C then ends the process."""
        return self._run.alone

    @alone.setter
    def alone(self, value: bool) -> None:
        self._run.alone = value

    @contextmanager
    def echoing(self, wanted: bool) -> Iterator[None]:
        """Inside, if wanted, the prompt itself shows what the guest writes while it runs."""
        self._guest.wanted = wanted
        try:
            yield
        finally:
            self._guest.end_line()
            self._guest.wanted = False

    def use_theme(self, theme: Theme) -> None:
        self.theme = theme
        self.output.painter = Painter(theme, colours=self.output.escapes)
        if self._prompt is not None:
            self._prompt.theme = theme

    def _on_stop(self, stop: Stop) -> None:
        if not self._run.active and self._interjections.are_held:
            self.interject(lambda: self._show_stop(stop))

    def _on_log(self, position: Position, words: str) -> None:
        """A line of a logpoint that is to be seen at once."""
        self.interject(lambda: self.output.say(printable(f"{position}  {words}")))

    def interject(self, write: Write) -> None:
        """Have `write` show lines of somebody else's: above the line that is being typed, if one is."""
        self._interjections.add(write)

    def _make_room(self) -> None:
        self._progress.hide()
        self._guest.end_line()

    def execute(self, line: str) -> bool:
        """Carry out one line and show what it answers; whether it went well. Raises StoppedError only."""
        well = self._execute(line)
        if self.loop.over():
            self.left = Leave.OVER
        return well

    def _execute(self, line: str) -> bool:
        stops = self.session.moments.stops
        self._progress.begin()
        try:
            with SIGNALS.at_work(), control_c_interrupts(), self.loop.letting(self._place):
                document, as_json = self.session.run_line(line)
        except StoppedError:
            self._progress.hide()
            raise
        except KeyboardInterrupt:
            self._progress.hide()
            self.output.say("interrupted")
            if self.alone:
                raise StoppedError(signal.SIGINT) from None
            self._interrupted = True
            return False
        except Exception as error:
            self._progress.hide()
            self.output.fail(error)
            return False
        finally:
            self._progress.end()
        self.output.document(document, as_json=as_json)
        self._show_notices()
        if self.session.moments.stops > stops and not as_json:
            self.show_context()
        return True

    @property
    def _place(self) -> Place:
        return Place.PROMPT if self._at_prompt else Place.SCRIPT

    def _show_part(self, document: Document) -> None:
        self._progress.hide()
        self.output.document(document)

    def _tell(self, words: str) -> None:
        self._progress.hide()
        self.output.say(words)

    def _share(self, done: float) -> None:
        self._progress.share(done)
        INTERRUPTION.check()

    def show_context(self) -> None:
        """The panel, if it is wanted; without it, nothing."""
        state = self.session.part(ContextState)
        if not state.enabled or self.output.as_json or not self.output.interactive or self.output.pane is not None:
            return
        self.session.columns = self.output.size.columns
        try:
            self.output.document(show(self.session, state.sections, self.output.size.lines), crop=True)
        except Exception as error:
            self.output.fail(error)

    def _show_notices(self) -> None:
        for notice in self.session.notices:
            self.output.say(notice)
        self.session.notices.clear()

    def execute_all(self, lines: Iterable[str]) -> bool:
        """One after the other, up to the first that fails, leaves or is interrupted; whether none failed."""
        self._watch_oopses()
        self._interrupted = False
        for line in lines:
            if self.left is not None:
                return True
            if line.strip() and not self.execute(line):
                return self._interrupted
        return True

    def _watch_oopses(self) -> None:
        """Who has a prompt wants it when the kernel dies, until `catch oops --off` says otherwise."""
        if not self._watching:
            self._watching = True
            self.session.part(OopsWatch).start()

    def _show_stop(self, stop: Stop) -> None:
        """A stop of a run that another front end asked for; nothing if the guest has moved on since."""
        if stop is self.debugger.last_stop and not self.debugger.running:
            try:
                self.output.document(report(self.session, stop))
            except VmdbgError as error:
                self.output.fail(error)
            self.show_context()

    def close(self) -> None:
        """Leave the debugger to the others."""
        self.debugger.stop_listeners.remove(self._on_stop)
        with suppress(ValueError):
            self.debugger.timeline.console.listeners.remove(self._guest.on_output)
        self.session.close()
