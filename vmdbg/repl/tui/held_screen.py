"""A terminal's other screen, kept from one line of the prompt to the next (xterm: DECSET 1049)."""

from __future__ import annotations

import contextlib
import os
import sys
import termios

from prompt_toolkit.output.vt100 import Vt100_Output

HOME = "\x1b[H"
"""Where what is drawn begins: the other screen is entered there, and is here already."""


class HeldScreen(Vt100_Output):
    """Entered once, and left by release() alone: between two lines what is shown stays."""

    is_held = False
    _found: list[object] | None = None

    @classmethod
    def of_stdout(cls) -> HeldScreen:
        return cls.from_pty(sys.__stdout__, term=os.environ.get("TERM"))  # type: ignore[return-value, arg-type]  # of its class

    def enter_alternate_screen(self) -> None:
        if not self.is_held:
            self.is_held = True
            self._quiet()
            super().enter_alternate_screen()
        self.write_raw(HOME)

    def quit_alternate_screen(self) -> None:
        """release() does."""

    def release(self) -> None:
        """Back to what the terminal showed before; nothing if that has been done."""
        if not self.is_held:
            return
        self.is_held = False
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone
            super().quit_alternate_screen()
            self.show_cursor()
            self.reset_attributes()
            self.flush()
        if self._found is not None:
            with contextlib.suppress(termios.error, OSError, ValueError):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._found)  # type: ignore[arg-type]  # as it was given
            self._found = None

    def _quiet(self) -> None:
        """Keys that are pressed while a command works are not shown where the cursor happens to be."""
        with contextlib.suppress(termios.error, OSError, ValueError):
            file = sys.stdin.fileno()
            self._found = termios.tcgetattr(file)
            mode = termios.tcgetattr(file)
            mode[3] &= ~(termios.ECHO | termios.ECHONL)
            termios.tcsetattr(file, termios.TCSADRAIN, mode)
