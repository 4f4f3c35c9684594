"""The prompt: reads lines, carries them out, shows answers and stops. One thread does everything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmdbg.commands.scripting import load_config
from vmdbg.errors import VmdbgError
from vmdbg.host.control_c import control_c_ignored
from vmdbg.host.realtime import Place
from vmdbg.interruption import StoppedError
from vmdbg.repl.blocks import with_block
from vmdbg.repl.leaving import Leave
from vmdbg.repl.lines import Lines
from vmdbg.repl.terminal import line_mode
from vmdbg.session.stop_report import report

if TYPE_CHECKING:
    from vmdbg.repl.prompt import Prompt
    from vmdbg.repl.tui.tui import Tui


class Repl(Lines):
    """A prompt on a debugger. `run()` may be called again after it was left for the console."""

    _tui: Tui | None = None

    def run(self) -> Leave:
        """Read and carry out lines until one leaves the prompt."""
        self.left = None
        if not self.output.interactive:
            self.execute_piped()
            return self.left or Leave.QUIT
        with line_mode(), control_c_ignored(), self._at_the_prompt(), self.loop.letting(Place.PROMPT):
            self.greet()
            typed = ""
            try:
                while self.left is None:
                    self._on_screen()
                    typed = self._turn(typed)
            finally:
                self._off_screen()
            return self.left

    def _on_screen(self) -> None:
        """Take the whole terminal if the user wants that, or give it back."""
        if not self.full_screen:
            self._off_screen()
            return
        if self._tui is None:
            from vmdbg.repl.tui.tui import Tui

            self._tui = Tui(self.session, self.loop, self._interjections, self.theme, self._between)
        self._tui.contents.memory = self.memory_pane
        self._tui.enter()
        self.output.pane, self._progress.elsewhere = (lambda: self._console_size), self._tui.progress

    @property
    def _console_size(self) -> os.terminal_size:
        assert self._tui is not None
        return self._tui.console_size

    def _off_screen(self) -> None:
        self.output.pane = self._progress.elsewhere = None
        if self._tui is not None:
            self._tui.leave()

    @contextmanager
    def _at_the_prompt(self) -> Iterator[None]:
        self._at_prompt = True
        self.session.ask = self._ask
        try:
            yield
        finally:
            self._at_prompt = False
            self.session.ask = None

    def _ask(self, question: str) -> bool:
        """Whether the user at the terminal agrees; Enter does."""
        self._make_room()
        try:
            return self.prompt.ask(question)
        except EOFError:
            return False

    def greet(self) -> None:
        """Where the guest stands; the first time, the user's own file too."""
        self._watch_oopses()
        if self._prompt is None:
            self._load_config()
        self.output.document(report(self.session, self.debugger.last_stop))
        self.show_context()

    def _load_config(self) -> None:
        try:
            self.output.say(load_config(self.session).rstrip("\n"))
        except VmdbgError as error:
            self.output.fail(error)

    def execute_piped(self) -> None:
        """Lines from a file or pipe: all of them, whatever they answer."""
        self._watch_oopses()
        self._load_config()
        while self.left is None and (line := sys.stdin.readline()):
            self.execute(with_block(line.rstrip("\n"), lambda: sys.stdin.readline().rstrip("\n")))

    def _turn(self, typed: str) -> str:
        """Read a line and carry it out; what was being typed when something came between."""
        from vmdbg.repl.keys import KeyLine

        try:
            found = self.prompt.read(typed)
        except StoppedError:
            raise
        except KeyboardInterrupt:
            if self.debugger.running:
                self.debugger.interrupt(self.session.owner)
            return ""
        except EOFError:
            self.left = Leave.QUIT
            return ""
        if self.loop.over():
            self.left = Leave.OVER
            return ""
        if isinstance(found, KeyLine):
            self.execute(found.command)
            return found.typed
        self._typed_line(found)
        return ""

    def _typed_line(self, line: str) -> None:
        if not line.strip():
            line = self._last
        try:
            line = with_block(line, self._read_continued)
        except StoppedError:
            raise
        except (KeyboardInterrupt, EOFError):
            return
        self.execute(line)
        self._last = line if self._repeats(line) else ""

    def _read_continued(self) -> str:
        found = self.prompt.read(continued=True)
        return found if isinstance(found, str) else ""

    def _repeats(self, line: str) -> bool:
        try:
            return bool(line.strip()) and self.session.registry.split(line)[0].repeats
        except VmdbgError:
            return False

    @property
    def prompt(self) -> Prompt:
        """Made when first needed: prompt_toolkit takes its time to import."""
        if self._tui is not None and self.full_screen:
            self._tui.theme = self.theme
            return self._tui
        if self._prompt is None:
            from vmdbg.repl.prompt import Prompt

            self._prompt = Prompt(self.session, self.loop, self._interjections, self.theme, self._between)
        return self._prompt

    def _between(self) -> bool:
        """What goes on while the prompt waits. Whether the run is to end."""
        self.loop.serve()
        if self.debugger.running:
            self.loop.slice()
        if self._guest.has_line:
            self.interject(self._guest.flush_lines)
        return self.loop.over()
