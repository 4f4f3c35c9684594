"""What the prompt writes: documents as text, in colour or as JSON, and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from vmdbg.document.document import Document, Span, Style
from vmdbg.document.plain import render_json, render_plain
from vmdbg.document.printable import printable
from vmdbg.errors import VmdbgError
from vmdbg.host.terminal import reader_is_gone
from vmdbg.repl.console import GuestConsole
from vmdbg.repl.interjections import Interjections
from vmdbg.repl.pager import page, rows_of
from vmdbg.repl.screen import Painter
from vmdbg.repl.terminal import is_dumb
from vmdbg.repl.themes import Theme


class Output:
    """Stdout for answers, stderr for errors. Coloured and paged on a terminal only."""

    def __init__(
        self,
        theme: Theme,
        guest: GuestConsole,
        interjections: Interjections,
        *,
        as_json: bool,
        idle: Callable[[], None],
    ) -> None:
        self.as_json = as_json
        self.terminal = sys.stdout.isatty()
        self.interactive = self.terminal and sys.stdin.isatty()
        self.escapes = self.terminal and not is_dumb()
        self.painter = Painter(theme, colours=self.escapes)
        self._guest = guest
        self._interjections = interjections
        self._idle = idle
        self.pane: Callable[[], os.terminal_size] | None = None
        """The size of what stdout is shown in, where that is a part of the terminal: nothing is paged there."""

    @property
    def size(self) -> os.terminal_size:
        if self.pane is not None:
            return self.pane()
        try:
            return os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return os.terminal_size((100, 40))

    def document(self, document: Document, *, crop: bool = False, as_json: bool = False) -> None:
        """Show an answer; with `crop`, cut to the terminal's width and never paged."""
        self._guest.end_line()
        if as_json or self.as_json:
            if document.blocks or document.value is not None:
                sys.stdout.write(render_json(document))
        elif not self.terminal:
            sys.stdout.write(render_plain(document))
        else:
            self._lines(self._painted(document, crop=crop), paged=not crop)
        sys.stdout.flush()

    def _painted(self, document: Document, *, crop: bool) -> list[str]:
        columns, height = self.size
        return self.painter.document(document, columns, height=height, crop=crop)

    def _lines(self, lines: list[str], *, paged: bool) -> None:
        columns, height = self.size
        may_page = paged and self.interactive and self.escapes and self.pane is None
        if may_page and sum(rows_of(line, columns) for line in lines) >= height:
            with self._interjections.held():
                page(lines, lambda: self.size, self._idle)
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))

    def say(self, words: str) -> None:
        self._guest.end_line()
        if words:
            sys.stdout.write("".join(f"{printable(line)}\n" for line in words.splitlines()))
            sys.stdout.flush()

    def fail(self, error: BaseException) -> None:
        """What went wrong, in its own words; never a traceback. If stdout's reader has left, that ends the run."""
        if isinstance(error, BrokenPipeError) and reader_is_gone():
            raise error
        self._guest.end_line()
        known = isinstance(error, VmdbgError)
        words = str(error) if known else f"a defect of vmdbg: {type(error).__name__}: {error}"
        for number, line in enumerate(words.splitlines() or [""]):
            shown = printable(line if number else f"error: {line}")
            sys.stderr.write((self.painter.span(Span(shown, Style.BAD)) if sys.stderr.isatty() else shown) + "\n")
        sys.stderr.flush()
