"""A lab's prompt at a terminal: lines with history, completion and colours, answers and the panel of one machine."""

from __future__ import annotations

import os
import select
import signal
import termios
from collections.abc import Callable, Iterable, Iterator, Mapping

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document as Line
from prompt_toolkit.eventloop.inputhook import InputHookContext

from vmdbg.host.signals import SIGNALS
from vmdbg.host.terminal import terminal_is_gone
from vmdbg.interruption import INTERRUPTION, StoppedError
from vmdbg.repl.completion import CommandCompleter
from vmdbg.repl.line_interrupt import LineInterrupt
from vmdbg.repl.line_session import Typed, depth_of, line_session, style_of
from vmdbg.repl.status import SEPARATOR, StatusBar, fitted
from vmdbg.repl.themes import Theme
from vmdbg.session.session import Session

IDLE_SECONDS = 0.05

Words = Mapping[str, Callable[[], Iterable[str]]]
"""What a lab's own commands take, by their names."""


class LabCompleter(Completer):
    """A lab's own commands and what they take; the rest is the machine's."""

    def __init__(self, words: Words, session: Callable[[], Session | None]) -> None:
        self._words = words
        self._session = session

    def get_completions(self, document: Line, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor.lstrip()
        command, space, rest = before.partition(" ")
        if space and command in self._words:
            typed = rest.rpartition(" ")[2]
            for word in sorted(set(self._words[command]())):
                if word.startswith(typed):
                    yield Completion(word, -len(typed))
            return
        own = [] if space else [name for name in sorted(self._words) if name.startswith(command)]
        for name in own:
            yield Completion(name, -len(command), display_meta="of the lab")
        session = self._session()
        if session is not None:
            for found in CommandCompleter(session).get_completions(document, complete_event):
                if found.text not in own:
                    yield found


class LabTerminal:
    """`session` is of the machine that is looked at; None where that is switched off. `where`: for the status bar."""

    def __init__(
        self, theme: Theme, words: Words, session: Callable[[], Session | None], where: Callable[[], str]
    ) -> None:
        self._theme = theme
        self._session = session
        self._where = where
        self._bars: dict[int, StatusBar] = {}
        self._interrupt = LineInterrupt()
        self._lines = line_session(LabCompleter(words, session), self._bar)

    def read(self, label: str, typed: str = "") -> Typed:
        """Raises EOFError, KeyboardInterrupt, StoppedError."""
        try:
            with SIGNALS.lent(), SIGNALS.told(lambda _number: None), self._interrupt.noted():
                found = self._lines.prompt(
                    [("class:prompt", f"{label}> ")],
                    default=typed,
                    inputhook=self._hook,
                    handle_sigint=False,
                    style=style_of(self._theme),
                    color_depth=depth_of(self._theme),
                )
        except (OSError, termios.error):
            if SIGNALS.number is None and not terminal_is_gone():
                raise
            raise StoppedError(SIGNALS.number or signal.SIGHUP) from None
        INTERRUPTION.check()
        return found

    def _hook(self, context: InputHookContext) -> None:
        """Called by prompt_toolkit when it has nothing to do, until a key is there: a signal ends the line."""
        app = get_app()
        while not context.input_is_ready():
            if self._interrupt.ends(app):
                return
            if SIGNALS.number is not None and not app.is_done:
                app.exit(result="")
                return
            select.select([context.fileno()], [], [], IDLE_SECONDS)
            if app.is_done:
                return

    def _bar(self) -> str:
        session = self._session()
        if session is None:
            return f" {self._where()} "
        bar = self._bars.setdefault(id(session), StatusBar(session))
        return fitted(f" {self._where()} {SEPARATOR.strip()}{bar()}", os.get_terminal_size().columns)
