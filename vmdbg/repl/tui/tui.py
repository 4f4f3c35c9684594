"""Reading lines on the whole of a terminal: panes of code, registers, stack and console around the prompt."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from prompt_toolkit.application.current import set_app
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.formatted_text import ANSI, AnyFormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import Dimension, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.containers import DynamicContainer
from prompt_toolkit.layout.controls import FormattedTextControl

from vmdbg.document.document import Span, Style
from vmdbg.document.printable import printable
from vmdbg.errors import VmdbgError
from vmdbg.host.run_loop import RunLoop
from vmdbg.repl.interjections import Interjections
from vmdbg.repl.line_session import Typed
from vmdbg.repl.prompt import PROMPT, Prompt
from vmdbg.repl.screen import Painter
from vmdbg.repl.themes import Theme
from vmdbg.repl.tui.held_screen import HeldScreen
from vmdbg.repl.tui.panes import Arrangement, Contents, Pane, arranged
from vmdbg.repl.tui.transcript import Transcript
from vmdbg.session.session import Session

REFRESH_SECONDS = 0.1
"""How often at most the screen is drawn anew while a command works."""
LEAST_COLUMNS, LEAST_ROWS = 50, 12
"""Below that the panes are left out, but for the console."""


class Tui(Prompt):
    """As Prompt. Between enter() and leave() the terminal is this one's, and what is printed goes to a pane."""

    def __init__(
        self,
        session: Session,
        loop: RunLoop,
        interjections: Interjections,
        theme: Theme,
        between: Callable[[], bool],
    ) -> None:
        self.screen = HeldScreen.of_stdout()
        super().__init__(session, loop, interjections, theme, between, output=self.screen)
        self.transcript = Transcript(self.refresh)
        self.contents = Contents(session)
        self._known: dict[Pane, tuple[object, list[str], str]] = {}
        self._progress = ""
        self._drawn = 0.0
        self._files = sys.stdout, sys.stderr
        app = self._prompt.app
        app.full_screen = app.renderer.full_screen = True
        app.key_bindings = merge_key_bindings([key for key in (app.key_bindings, self._scrolling()) if key is not None])
        line = app.layout.container
        panes = DynamicContainer(self._panes)
        app.layout = Layout(HSplit([panes, line]), focused_element=DEFAULT_BUFFER)

    # the terminal

    def enter(self) -> None:
        """Once, whatever is entered already."""
        if sys.stdout is not self.transcript:
            self._files = sys.stdout, sys.stderr
            sys.stdout = sys.stderr = self.transcript

    def leave(self) -> None:
        """The terminal is as it was found."""
        if sys.stdout is self.transcript:
            sys.stdout, sys.stderr = self._files
        self.screen.release()

    @property
    def console_size(self) -> os.terminal_size:
        """What answers are laid out for."""
        pane = self._arrangement().console
        return os.terminal_size((pane.columns, pane.rows))

    def progress(self, words: str) -> None:
        """How far something is; "": it is over."""
        self._progress = words
        self.refresh()

    def refresh(self) -> None:
        """Draw the screen while no line is read: a command works, and the guest runs."""
        if not self.screen.is_held or self._prompt.app.is_running or time.monotonic() - self._drawn < REFRESH_SECONDS:
            return
        self._drawn = time.monotonic()
        app = self._prompt.app
        app.render_counter += 1  # by which controls know that they are old
        with set_app(app):
            app.renderer.render(app, app.layout)

    def read(self, typed: str = "", *, continued: bool = False) -> Typed:
        self._progress = ""
        found = super().read(typed, continued=continued)
        if isinstance(found, str) and found.strip() and not continued:
            self.transcript.write(self._painter.span(Span(printable(f"{PROMPT}{found}"), Style.DIM)) + "\n")
        return found

    def ask(self, question: str) -> bool:
        """In the pane that commands are answered in."""
        self.transcript.write(f"{question} [Y/n]\n")
        answer = super().read()
        return not (isinstance(answer, str) and answer.strip().lower().startswith("n"))

    def _interject(self) -> None:
        """What others have to say goes to the pane."""
        self._interjections.write()
        self._prompt.app.invalidate()

    # the panes

    @property
    def _painter(self) -> Painter:
        return Painter(self.theme)

    def _arrangement(self) -> Arrangement:
        rows, columns = self.screen.get_size()
        return arranged(columns, max(1, rows - 2))

    def _panes(self) -> HSplit:
        rows, columns = self.screen.get_size()
        made = self._arrangement()
        console = [self._rule(made.console), self._window(made.console)]
        if rows < LEAST_ROWS or columns < LEAST_COLUMNS:
            return HSplit([self._window(Pane("console", columns, max(1, rows - 3)))], height=Dimension(preferred=1000))
        left, right = (self._side(side) for side in (made.left, made.right))
        bar = Window(width=1, char="│", style=self.theme.prompt if self.theme.name != "mono" else "")
        return HSplit([VSplit([left, bar, right]), *console], height=Dimension(preferred=1000))

    def _side(self, panes: Sequence[Pane]) -> HSplit:
        parts = [part for pane in panes for part in (self._rule(pane), self._window(pane))]
        return HSplit(parts, width=Dimension.exact(panes[0].columns))

    def _rule(self, pane: Pane) -> Window:
        return Window(FormattedTextControl(lambda: self._title(pane)), height=1, width=Dimension.exact(pane.columns))

    def _window(self, pane: Pane) -> Window:
        control = FormattedTextControl(lambda: self._content(pane))
        return Window(control, height=Dimension.exact(pane.rows), width=Dimension.exact(pane.columns), wrap_lines=False)

    def _title(self, pane: Pane) -> AnyFormattedText:
        name = pane.name
        if name == "console":
            name = self._progress or (f"console, {self.transcript.back} rows back" if self.transcript.back else name)
        else:
            self._content(pane)
            name = self._known[pane][2] if pane in self._known else name
        words = printable(f"─── {name} ")
        return ANSI(self._painter.span(Span(f"{words:─<{pane.columns}}"[: pane.columns], Style.HEADING)))

    def _content(self, pane: Pane) -> AnyFormattedText:
        if pane.name == "console":
            return ANSI("\n".join(self.transcript.rows(pane.columns, pane.rows)))
        return ANSI("\n".join(self._lines(pane)))

    def _lines(self, pane: Pane) -> list[str]:
        """Made when the guest has moved or a line was carried out; while it runs, what there was."""
        debugger = self._session.debugger
        known = self._known.get(pane)
        if debugger.running:
            return known[1] if known is not None else []
        key = self._session.moments.now, debugger.epoch, self.theme.name, self.contents.memory
        if known is None or known[0] != key:
            if len(self._known) > 64:
                self._known.clear()
            lines = self._painter.document(self.contents.of(pane), pane.columns, crop=True)[: pane.rows]
            self._known[pane] = known = (key, lines, self._named(pane))
        return known[1]

    def _named(self, pane: Pane) -> str:
        try:
            return self.contents.title(pane)
        except VmdbgError:
            return pane.name

    def _scrolling(self) -> KeyBindings:
        bindings = KeyBindings()

        def scroll(key: str, share: int) -> None:
            @bindings.add(key, eager=True)
            def _(event: KeyPressEvent) -> None:
                self.transcript.scroll(share * max(1, self._arrangement().console.rows - 1))
                event.app.invalidate()

        scroll("pageup", 1)
        scroll("pagedown", -1)
        return bindings
