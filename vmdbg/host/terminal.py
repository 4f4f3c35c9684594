"""The user's terminal in raw mode: every key goes to the guest. Source: termios(3)."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import termios
from types import FrameType, TracebackType

from vmdbg.document.printable import printable
from vmdbg.errors import UserError

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6


class RawTerminal:
    """Raw while the context lasts: who writes LF writes CR too, or the lines form stairs."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._before: list[object] | None = None
        self._on_continue: object = None

    def __enter__(self) -> RawTerminal:
        try:
            self._before = termios.tcgetattr(self._file)
        except termios.error as error:
            raise UserError(f"cannot use the terminal: {error.args[-1]}") from None
        self._make_raw()
        self._on_continue = signal.signal(signal.SIGCONT, self._continued)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGCONT, self._on_continue or signal.SIG_DFL)  # type: ignore[arg-type]  # what was there
        self._set(self._before)

    def _continued(self, number: int, frame: FrameType | None) -> None:
        """The shell set the terminal back while we were stopped."""
        del number, frame
        self._make_raw()

    def _make_raw(self) -> None:
        mode = termios.tcgetattr(self._file)
        mode[_IFLAG] &= ~(
            termios.BRKINT | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON
        )
        mode[_OFLAG] &= ~termios.OPOST
        mode[_CFLAG] = mode[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[_LFLAG] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
        self._set(mode)

    def _set(self, mode: list[object] | None) -> None:
        with contextlib.suppress(termios.error):  # the terminal is gone: nothing is left to restore
            termios.tcsetattr(self._file, termios.TCSADRAIN, mode)  # type: ignore[arg-type]  # as tcgetattr gave it


def is_terminal(file: int) -> bool:
    try:
        termios.tcgetattr(file)
    except (termios.error, OSError, ValueError):
        return False
    return True


def terminals() -> list[int]:
    """Which of stdin and stdout are one."""
    return [file for file in (0, 1) if is_terminal(file)]


def terminal_is_gone() -> bool:
    """Whether stdin or stdout was one that has been hung up, closed or killed."""
    waiting = select.poll()
    for file in (0, 1):
        if os.isatty(file) or _is_hung_up(file):
            waiting.register(file, 0)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in waiting.poll(0))


def reader_is_gone() -> bool:
    """Whether stdout is a pipe or socket that nobody reads any more, as after `| head`."""
    waiting = select.poll()
    waiting.register(1, 0)
    return any(events & select.POLLERR for _, events in waiting.poll(0))


def _is_hung_up(file: int) -> bool:
    """A terminal that was hung up is none to tcgetattr(3): EIO, and not ENOTTY."""
    try:
        termios.tcgetattr(file)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def both_ends_are_terminals() -> bool:
    """Whether a user types at stdin and reads stdout."""
    return is_terminal(0) and is_terminal(1)


def message(text: str, *, raw: bool = False) -> None:
    """A line for the user, on stderr; `raw` says that the terminal is. What a guest or a file has said is in it too."""
    shown = "\n".join(map(printable, text.splitlines()))
    line = f"vmdbg: {shown}\n"
    with contextlib.suppress(OSError):  # nobody reads
        sys.stderr.write(line.replace("\n", "\r\n") if raw else line)
        sys.stderr.flush()
