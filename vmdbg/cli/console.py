"""The guest's lines of a run, and the terminal that they share with the prompt and with messages of ours."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from vmdbg.host.escape_key import ESCAPE_NAME
from vmdbg.host.poller import Poller
from vmdbg.host.run_loop import COM1
from vmdbg.host.serial_clients import make_backend
from vmdbg.host.serial_lines import Receive, Stdio, StdioBackend
from vmdbg.host.terminal import RawTerminal, both_ends_are_terminals, is_terminal, message
from vmdbg.machine.console import Listener
from vmdbg.machine.machine import DEBUG_CONSOLE

if TYPE_CHECKING:
    from vmdbg.repl.front_end import Interject


class Console:
    """COM1 and the debug console, where --serial and --debug-console lead."""

    def __init__(self, options: argparse.Namespace, stack: contextlib.ExitStack, *, prompted: bool) -> None:
        """`prompted`: commands have stdin. Raises UserError."""
        self.keyboard = isinstance(options.serial, Stdio) and both_ends_are_terminals()
        """Whether a user types at COM1, on this terminal."""
        readable = self.keyboard or not (prompted or is_terminal(0))
        self.serial = make_backend(options.serial, readable=readable, raw=self.keyboard)
        stack.callback(self.serial.close)
        self.debug_console = make_backend(options.debug_console, readable=False, raw=self.keyboard)
        stack.callback(self.debug_console.close)
        self._raw = False
        self._interject: Interject | None = None

    @property
    def is_socket(self) -> bool:
        """Whether somebody who may come and go is at COM1."""
        return self.serial.live and not isinstance(self.serial, StdioBackend)

    def listener(self, of_com1: Sequence[Listener], of_debug_console: Sequence[Listener]) -> Listener:
        """What passes the guest's output on, and has others hear it."""

        def hear(port: int, data: bytes, now: int) -> None:
            if port == COM1:
                self.serial.write(data)
                readers = of_com1
            elif port == DEBUG_CONSOLE:
                self.debug_console.write(data)
                readers = of_debug_console
            else:
                return
            for listener in readers:
                listener(port, data, now)

        return hear

    def say(self, text: str) -> None:
        """A message of ours, never in the middle of a line of the guest's or the user's."""
        self.serial.flush()
        if self._interject is not None:
            self._interject(lambda: message(text))
            return
        if isinstance(self.serial, StdioBackend) and is_terminal(1):
            self.serial.end_line()
            self.serial.flush()
        message(text, raw=self._raw)

    def at_console(self) -> None:
        """The guest's console has the terminal."""
        if self.keyboard:
            self.say(f"the guest's console; {ESCAPE_NAME} d for the prompt")

    @contextlib.contextmanager
    def at_prompt(self, interject: Interject) -> Iterator[bool]:
        """The prompt has the terminal, on a line of its own. Whether the guest's console is there too."""
        stdio = self.serial if isinstance(self.serial, StdioBackend) else None
        if stdio is not None:
            if is_terminal(1):
                stdio.end_line()
            stdio.flush()
            stdio.pause()
        self.flush()
        raw, self._raw = self._raw, False
        self._interject = interject
        try:
            yield stdio is not None and is_terminal(1)
        finally:
            self._raw, self._interject = raw, None
            if stdio is not None:
                stdio.resume()

    def flush(self) -> None:
        self.serial.flush()
        self.debug_console.flush()

    @contextlib.contextmanager
    def opened(self, poller: Poller, receive: Receive, greeting: Callable[[], str]) -> Iterator[None]:
        """Inside, lines are open, what comes from outside goes to `receive`, and a keyboard is the guest's."""
        self.debug_console.open(poller, lambda _data: None)
        where = self.serial.open(poller, receive)
        if where is not None:
            self.say(where)
        if not self.keyboard:
            yield
            return
        self.say(greeting())
        with RawTerminal(0):
            self._raw = True
            try:
                yield
            finally:
                self._raw = False
