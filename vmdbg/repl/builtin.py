"""Commands of the prompt itself: quit, console, theme, sessions of others."""

from __future__ import annotations

import sys
from typing import Protocol

from vmdbg.commands.declare import command
from vmdbg.document.document import EMPTY, Document, document
from vmdbg.errors import UserError
from vmdbg.host.realtime import Realtime
from vmdbg.repl.keys import HELP
from vmdbg.repl.leaving import Leave
from vmdbg.repl.terminal import is_dumb
from vmdbg.repl.themes import THEMES, Theme, find_theme
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session

ON, OFF = "on", "off"


class Prompt(Protocol):
    """What they do something to."""

    session: Session
    left: Leave | None
    theme: Theme
    realtime: Realtime | None
    full_screen: bool
    memory_pane: str

    def use_theme(self, theme: Theme) -> None: ...


def declare_theme(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="THEME", help=", ".join(THEMES))


def declare_realtime(parser: Parser) -> None:
    parser.add_argument("state", nargs="?", choices=(ON, OFF), metavar="STATE", help="on or off")


def declare_tui(parser: Parser) -> None:
    parser.add_argument("state", nargs="?", choices=(ON, OFF), default=ON, metavar="STATE", help="on or off")
    parser.add_argument("--memory", metavar="ADDRESS", help="what the memory pane shows: an expression, at every stop")


def add_commands(repl: Prompt, *, console: bool) -> None:
    """Put them into the registry of the prompt's session."""
    registry = repl.session.registry

    @command("quit", Group.SESSION, aliases=("q", "exit"), examples=("quit",), registry=registry)
    def quit_(session: Session, arguments: Arguments) -> Document:
        """Leave the prompt and end the machine."""
        repl.left = Leave.QUIT
        return EMPTY

    @command("theme", Group.SESSION, declare_theme, examples=("theme", "theme mono"), registry=registry)
    def theme(session: Session, arguments: Arguments) -> Document:
        """Choose the colours; NO_COLOR and VMDBG_THEME choose them at the start."""
        if arguments.name:
            repl.use_theme(find_theme(arguments.name))
        return document(f"theme {repl.theme.name}; there are: {', '.join(THEMES)}")

    @command("tui", Group.SESSION, declare_tui, examples=("tui", "tui off"), registry=registry)
    def tui(session: Session, arguments: Arguments) -> Document:
        """Have the whole terminal for panes: code, registers, stack, memory or what `display` shows, and the console.

        The line, its keys, completion and history stay as they are; Page Up and Page Down scroll the console.
        """
        if not sys.stdout.isatty() or not sys.stdin.isatty() or is_dumb():
            raise UserError("there is no terminal here that panes could be drawn on")
        if arguments.memory is not None:
            session.place(arguments.memory)
            repl.memory_pane = arguments.memory
        repl.full_screen = arguments.state == ON
        return EMPTY

    @command("keys", Group.SESSION, aliases=("info keys",), examples=("keys",), registry=registry)
    def keys(session: Session, arguments: Arguments) -> Document:
        """Show which keys are commands."""
        return document(HELP, "Tab completes, Up and Ctrl-R find earlier lines, Ctrl-C stops the guest")

    realtime = repl.realtime
    if realtime is not None:
        known = realtime

        @command("realtime", Group.RUN, declare_realtime, examples=("realtime", "realtime off"), registry=registry)
        def realtime_(session: Session, arguments: Arguments) -> Document:
            """Show or choose whether guest time keeps to host time while the guest idles, or idle time takes none.

            The guest cannot tell. At a terminal's prompt and console it does at first, in scripts it does not.
            """
            if arguments.state:
                known.choose(arguments.state == ON)
            prompt, scripts = (ON if wanted else OFF for wanted in (known.prompt, known.scripts))
            words = prompt if prompt == scripts else f"{prompt} at the prompt, {scripts} in scripts"
            return document(words, value={"prompt": known.prompt, "scripts": known.scripts})

    @command("console", Group.RUN, aliases=("interact",), examples=("console",), registry=registry)
    def console_(session: Session, arguments: Arguments) -> Document:
        """Let the guest run with the keyboard at its console; Ctrl-] d comes back."""
        if not console:
            raise UserError("the guest's console is not at this terminal: `continue` runs on, `send TEXT` types there")
        repl.left = Leave.CONSOLE
        return EMPTY
