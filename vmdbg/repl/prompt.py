"""Reading a line with prompt_toolkit, while other front ends go on."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable, Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.eventloop.inputhook import InputHookContext
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import BaseStyle, Style, merge_styles
from prompt_toolkit.styles.pygments import style_from_pygments_cls
from pygments.styles import get_style_by_name

from vmdbg.host.run_loop import RunLoop
from vmdbg.host.signals import SIGNALS
from vmdbg.interruption import INTERRUPTION
from vmdbg.repl.completion import CommandCompleter
from vmdbg.repl.files import history_file
from vmdbg.repl.highlight import CommandLexer
from vmdbg.repl.interjections import Interjections
from vmdbg.repl.keys import KeyLine, key_bindings
from vmdbg.repl.status import StatusBar
from vmdbg.repl.themes import Theme
from vmdbg.session.session import Session

IDLE_SECONDS = 0.05
REDRAW_SECONDS = 0.25
"""How old the status bar may be while another front end lets the guest run."""
MENU_ROWS = 6
PROMPT = "vmdbg> "
CONTINUED = "  ...> "


Typed = str | KeyLine


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
        self.theme = theme
        path = history_file()
        history: History = FileHistory(str(path)) if path is not None else InMemoryHistory()
        self._prompt: PromptSession[Typed] = PromptSession(
            history=history,
            completer=CommandCompleter(session),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            key_bindings=key_bindings(),
            bottom_toolbar=self._bar,
            lexer=PygmentsLexer(CommandLexer),
            enable_open_in_editor=True,
            reserve_space_for_menu=MENU_ROWS,
            output=output,
        )
        self._prompt.app.before_render += self._fit

    def read(self, typed: str = "", *, continued: bool = False) -> Typed:
        """A line, "" when the run is to end. Raises EOFError, KeyboardInterrupt."""
        label = CONTINUED if continued else PROMPT
        with self._reading():
            return self._prompt.prompt(
                [("class:prompt", label)],
                default=typed,
                inputhook=self._hook,
                style=self._style(),
                color_depth=ColorDepth.DEPTH_1_BIT if self.theme.name == "mono" else None,
            )

    def ask(self, question: str) -> bool:
        """Yes or no. Raises EOFError, KeyboardInterrupt."""
        asking: PromptSession[str] = PromptSession()
        label: AnyFormattedText = [("class:prompt", f"{question} [Y/n] ")]
        while True:
            with self._reading():
                answer = asking.prompt(label, inputhook=self._hook, style=self._style()).strip().lower()
            if answer in ("", "y", "yes", "n", "no"):
                return not answer.startswith("n")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Raises StoppedError if it was for the end of the process that reading ended."""
        with SIGNALS.lent(), self._interjections.held():
            yield
        INTERRUPTION.check()

    def _style(self) -> BaseStyle:
        own = Style.from_dict(
            {"prompt": self.theme.prompt, "bottom-toolbar": f"noreverse {self.theme.bar}", "bottom-toolbar.text": ""}
        )
        if self.theme.name == "mono":
            return own
        return merge_styles([style_from_pygments_cls(get_style_by_name(self.theme.pygments)), own])

    def _fit(self, app: Application[Typed]) -> None:
        """On a terminal of few rows the menu has what the line and the bar leave."""
        self._prompt.reserve_space_for_menu = max(0, min(MENU_ROWS, app.output.get_size().rows - 2))

    def _bar(self) -> AnyFormattedText:
        return self._status()

    def _hook(self, context: InputHookContext) -> None:
        """Called by prompt_toolkit when it has nothing to do, until a key is there."""
        app = get_app()
        drawn = time.monotonic()
        while not context.input_is_ready():
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
