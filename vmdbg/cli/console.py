"""The guest's lines of a run, and the terminal that they share with the prompt and with messages of ours."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vmdbg.errors import UserError
from vmdbg.host.escape_key import ESCAPE_NAME
from vmdbg.host.poller import Poller
from vmdbg.host.run_loop import Outlet
from vmdbg.host.serial_backends import make_backend
from vmdbg.host.serial_lines import NoSerial, Receive, SerialChoice, Stdio, StdioBackend
from vmdbg.host.terminal import RawTerminal, both_ends_are_terminals, is_terminal, message
from vmdbg.machine.console import COM1, DEBUG_CONSOLE, HVC, Listener
from vmdbg.machine.machine import Machine

if TYPE_CHECKING:
    from vmdbg.host.screen_view import ScreenView
    from vmdbg.repl.front_end import Interject


def line_choices(options: argparse.Namespace) -> dict[int, SerialChoice]:
    """Where lines lead, by port, the guest's console first: the one at this terminal, or else COM1.

    Raises UserError for two at this terminal.
    """
    hvc: SerialChoice | None = options.virtio_console
    if hvc is None:
        return {COM1: options.serial or Stdio()}
    if isinstance(hvc, Stdio):
        if isinstance(options.serial, Stdio):
            raise UserError("--serial and --virtio-console both want this terminal: give one of them another place")
        return {HVC: hvc, COM1: options.serial or NoSerial()}
    return {COM1: options.serial or Stdio(), HVC: hvc}


class Console:
    """The guest's lines and the debug console, where --serial, --virtio-console and --debug-console lead.

    `port` is that of the guest's console, which has the terminal if one of them has, and `serial` where that leads.
    """

    def __init__(self, options: argparse.Namespace, stack: contextlib.ExitStack, *, prompted: bool) -> None:
        """`prompted`: commands have stdin. Raises UserError."""
        choices = line_choices(options)
        self.port = next(iter(choices))
        self.keyboard = isinstance(choices[self.port], Stdio) and both_ends_are_terminals()
        """Whether a user types at the guest's console, on this terminal."""
        readable = self.keyboard or not (prompted or is_terminal(0))
        self.lines = {
            port: make_backend(choice, readable=readable and port == self.port, raw=self.keyboard)
            for port, choice in choices.items()
        }
        self.serial = self.lines[self.port]
        self.debug_console = make_backend(options.debug_console, readable=False, raw=self.keyboard)
        backends = (*self.lines.values(), self.debug_console)
        self.outlets: tuple[Outlet, ...] = backends
        for backend in backends:
            stack.callback(backend.close)
        self._raw = False
        self._interject: Interject | None = None
        self.screen: ScreenView | None = None
        """The guest's screen on this terminal, where the user asked for it."""

    def with_screen(self, machine: Machine) -> ScreenView:
        """The terminal can show the guest's screen too. Raises UserError if the guest's console is not here."""
        stdio = self.serial
        if not self.keyboard or not isinstance(stdio, StdioBackend):
            raise UserError("--screen draws where the guest's console is, and that is not at a terminal here")
        from vmdbg.document.half_blocks import Colours  # a run without it need not wait for it
        from vmdbg.host.screen_view import ScreenView

        colours = Colours.TRUE if os.environ.get("COLORTERM") in ("truecolor", "24bit") else Colours.CUBE
        size = functools.partial(os.get_terminal_size, 1)
        self.screen = ScreenView(machine, _write_terminal, size, stdio.write, colours=colours)
        self.outlets += (self.screen,)
        return self.screen

    def show_screen(self, *, shown: bool) -> None:
        """The screen has the terminal, or the console."""
        stdio, screen = self.serial, self.screen
        if screen is None or not isinstance(stdio, StdioBackend) or shown == screen.shown:
            return
        if shown:
            stdio.flush()
            stdio.diverted = screen.console
            screen.show()
        else:
            stdio.diverted = None
            screen.hide()

    @property
    def congested(self) -> bool:
        """Whether the guest had better wait for one of the lines."""
        return any(line.congested for line in self.lines.values())

    @property
    def live(self) -> bool:
        """Whether somebody may still type."""
        return any(line.live for line in self.lines.values())

    @property
    def is_socket(self) -> bool:
        """Whether somebody who may come and go is at one of the lines."""
        return any(line.live and not isinstance(line, StdioBackend) for line in self.lines.values())

    def listener(self, of_console: Sequence[Listener], of_all: Sequence[Listener]) -> Listener:
        """What passes the guest's output on, and has others hear that of its console, or of all of them."""

        def hear(port: int, data: bytes, now: int) -> None:
            line = self.lines.get(port) if port != DEBUG_CONSOLE else self.debug_console
            if line is None:
                return
            line.write(data)
            for listener in of_all:
                listener(port, data, now)
            if port == self.port:
                for listener in of_console:
                    listener(port, data, now)

        return hear

    def say(self, text: str) -> None:
        """A message of ours, never in the middle of a line of the guest's or the user's."""
        self.serial.flush()
        if self._interject is not None:
            self._interject(lambda: message(text))
            return
        if self.screen is not None and self.screen.shown:
            self.screen.note(text)
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
        had_screen = self.screen is not None and self.screen.shown
        self.show_screen(shown=False)
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
            self.show_screen(shown=had_screen)

    def flush(self) -> None:
        for outlet in self.outlets:
            outlet.flush()

    @contextlib.contextmanager
    def opened(self, poller: Poller, receive: Mapping[int, Receive], greeting: Callable[[], str]) -> Iterator[None]:
        """Inside, lines are open, what comes from outside goes to `receive`, and a keyboard is the guest's."""
        self.debug_console.open(poller, lambda _data: None)
        for port, line in self.lines.items():
            where = line.open(poller, receive[port])
            if where is not None:
                self.say(where.replace("serial port", "virtio console") if port == HVC else where)
        if not self.keyboard:
            yield
            return
        self.say(greeting())
        with RawTerminal(0):
            self._raw = True
            self.show_screen(shown=True)
            try:
                yield
            finally:
                self.show_screen(shown=False)
                self._raw = False


def _write_terminal(text: str) -> None:
    with contextlib.suppress(OSError):  # it is gone: the loop notices
        sys.stdout.write(text)
        sys.stdout.flush()
