"""Reading a line with prompt_toolkit, while other front ends go on."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.eventloop.inputhook import InputHookContext
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.output import Output

from vmdbg.host.run_loop import RunLoop
from vmdbg.host.signals import SIGNALS
from vmdbg.interruption import INTERRUPTION
from vmdbg.repl.completion import CommandCompleter
from vmdbg.repl.interjections import Interjections
from vmdbg.repl.line_interrupt import LineInterrupt
from vmdbg.repl.line_session import Typed, depth_of, line_session, style_of
from vmdbg.repl.status import StatusBar, fitted
from vmdbg.repl.themes import Theme
from vmdbg.session.session import Session

IDLE_SECONDS = 0.05
REDRAW_SECONDS = 0.25
"""How old the status bar may be while another front end lets the guest run."""
PROMPT = "vmdbg> "
CONTINUED = "  ...> "


class Prompt:
    """`between` does a slice of what goes on besides; it says whether the run is to end, and the line with it."""

    def __init__(
        self,
        session: Session,
        loop: RunLoop,
        interjections: Interjections,
        theme: Theme,
        between: Callable[[], bool],
        output: Output | None = None,
    ) -> None:
        """`output`: the terminal, if it is not to be that of stdout as it comes."""
        self._session = session
        self._loop = loop
        self._interjections = interjections
        self._between = between
        self._status = StatusBar(session)
        self._interrupt = LineInterrupt()
        self.theme = theme
        self._prompt = line_session(CommandCompleter(session), self._bar, output)

    def read(self, typed: str = "", *, continued: bool = False) -> Typed:
        """A line, "" when the run is to end. Raises EOFError, KeyboardInterrupt."""
        label = CONTINUED if continued else PROMPT
        with self._reading():
            return self._prompt.prompt(
                [("class:prompt", label)],
                default=typed,
                inputhook=self._hook,
                handle_sigint=False,
                style=style_of(self.theme),
                color_depth=depth_of(self.theme),
            )

    def ask(self, question: str) -> bool:
        """Yes or no. Raises EOFError, KeyboardInterrupt."""
        asking: PromptSession[str] = PromptSession()
        label: AnyFormattedText = [("class:prompt", f"{question} [Y/n] ")]
        while True:
            with self._reading():
                style = style_of(self.theme)
                answer = asking.prompt(label, inputhook=self._hook, handle_sigint=False, style=style).strip().lower()
            if answer in ("", "y", "yes", "n", "no"):
                return not answer.startswith("n")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Raises StoppedError if it was for the end of the process that reading ended."""
        with SIGNALS.lent(), self._interjections.held(), self._interrupt.noted():
            yield
        INTERRUPTION.check()

    def _bar(self) -> AnyFormattedText:
        return fitted(self._status(), get_app().output.get_size().columns)

    def _hook(self, context: InputHookContext) -> None:
        """Called by prompt_toolkit when it has nothing to do, until a key is there."""
        app = get_app()
        drawn = time.monotonic()
        while not context.input_is_ready():
            if self._interrupt.ends(app):
                return
            if self._between():
                self._end(app, context)
                return
            if self._interjections.waiting and app.loop is not None:
                app.loop.call_soon_threadsafe(self._interject)
                return
            if self._session.debugger.running and time.monotonic() - drawn > REDRAW_SECONDS:
                app.invalidate()
                return
            running = self._session.debugger.running
            self._loop.wait(self._loop.idle_seconds if running else IDLE_SECONDS, context.fileno())

    def _end(self, app: Application[Typed], context: InputHookContext) -> None:
        """The line ends. What the application does after that may wait for the terminal, which may be gone."""
        if app.is_done:
            select.select([context.fileno()], [], [], IDLE_SECONDS)
        else:
            app.exit(result="")

    def _interject(self) -> None:
        """What others have to say goes above the line, which stays as it is."""
        app = get_app()
        if app.is_done or not self._interjections.waiting:
            return
        app.renderer.erase()
        self._interjections.write()
        app.renderer.reset()
        app.renderer.request_absolute_cursor_position()
        app.invalidate()
