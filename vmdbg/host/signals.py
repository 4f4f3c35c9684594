"""The signals that end a process of vmdbg, from its first line to its last.

StoppedError is raised wherever that leaves nothing half done, and by long work where it looks (vmdbg.interruption). A
loop that ends by itself is told, and given POLITE_SECONDS first. A handler of Python's runs only between two bytecodes;
so a thread is woken by each signal too. It hurries native code, has the handler try again until the process is being
left, and ends by force what heeds nothing: a recording then has what was flushed. The thread also sees a terminal go
that no SIGHUP tells of, since it was another session's, and sends one. The handler wakes it as well: whoever waits with
asyncio has set_wakeup_fd() for himself.

Ctrl-C at the prompt, which ends a line and not the process, is in vmdbg.host.control_c.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from vmdbg.host.exit_code import SIGNAL_BASE
from vmdbg.host.terminal import terminals
from vmdbg.interruption import INTERRUPTION, StoppedError, WaitingThread

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN = signal.SIGURG
"""Has the handler try again. One that nobody handles is ignored."""
AGAIN_SECONDS = 0.03
POLITE_SECONDS = 0.3
FORCE_SECONDS = 0.8
"""Of CPU time, which a process on a busy host may not get: STARVED_SECONDS by the clock are too many as well."""
STARVED_SECONDS = 3.0
CLEANUP_SECONDS = 15.0
"""How long a process that is being left may take to close its files."""

Listener = Callable[[int], None]


class Signals:
    """Those of this process. In force inside heed()."""

    def __init__(self) -> None:
        self.number: int | None = None
        """Which one ends the process."""
        self.left = False
        """Whether the process closes its files and ends."""
        self._since = 0.0
        self._listeners: list[Listener] = []
        self._polite = 0
        self._watcher: _Watcher | None = None

    @contextlib.contextmanager
    def heed(self) -> Iterator[None]:
        """Inside, signals end the process. Does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread() or self._watcher is not None:
            yield
            return
        self.number, self.left = None, False
        before = {number: signal.getsignal(number) for number in (*ENDING, AGAIN)}
        watcher = self._watcher = _Watcher(self)
        try:
            for number in before:
                if number != signal.SIGHUP or before[number] is not signal.SIG_IGN:  # as nohup(1) has it
                    signal.signal(number, self._handle)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
            watcher.close()
            self._watcher = None
            INTERRUPTION.forget_all()

    @contextlib.contextmanager
    def told(self, listener: Listener) -> Iterator[None]:
        """Inside, a loop that ends by itself is told, in a handler."""
        self._listeners.append(listener)
        self._polite += 1
        try:
            yield
        finally:
            self._polite -= 1
            self._listeners.remove(listener)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Inside a loop that is told: what it does now does not look whether it is to end, and is left at once."""
        before, self._polite = self._polite, 0
        try:
            yield
        finally:
            self._polite = before

    def leaving(self) -> None:
        """The process closes its files and ends, which no further signal disturbs."""
        self.left = True

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Inside, somebody else may take set_wakeup_fd(), as asyncio does, which does not give it back."""
        try:
            yield
        finally:
            if self._watcher is not None:
                self._watcher.watch()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        INTERRUPTION.heard()
        if number != AGAIN and self._watcher is not None:
            self._watcher.wake(number)
        if number == AGAIN and self.number is None:
            INTERRUPTION.raise_from(frame)
            return
        if self.number is None:
            self.number, self._since = number, time.monotonic()
            INTERRUPTION.ask(StoppedError(number))
            for listener in list(self._listeners):
                listener(number)
        if not self.left and not (self._polite and time.monotonic() - self._since < POLITE_SECONDS):
            INTERRUPTION.raise_from(frame)


class _Watcher:
    """A thread that signals wake through a pipe (signal.set_wakeup_fd)."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._terminal = _terminal_mode()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._closed = False
        self.watch()
        self._thread = WaitingThread(target=self._run, name="signal watcher", daemon=True)
        self._thread.start()

    def watch(self) -> None:
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def wake(self, number: int) -> None:
        """As the signal itself does through set_wakeup_fd()."""
        with contextlib.suppress(BlockingIOError):  # it has enough to wake for
            os.write(self._writer, bytes([number]))

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._closed = True
        self.wake(0)  # a process that was forked may hold the pipe open
        self._thread.join()
        os.close(self._writer)
        os.close(self._reader)

    def _run(self) -> None:
        waiting = select.poll()
        waiting.register(self._reader, select.POLLIN)
        for file in terminals():
            waiting.register(file, 0)  # the end of a terminal is told all the same
        while not self._closed:
            ready = dict(waiting.poll())
            if self._reader not in ready:
                _tell_main_thread(signal.SIGHUP)
                for file in ready:
                    waiting.unregister(file)
                self._see_to_it()
            elif set(os.read(self._reader, 4096)) & set(ENDING):
                self._see_to_it()

    def _see_to_it(self) -> None:
        """Until the handler has been heard, and what it asked for has been done.

        Python calls handlers in the order of their numbers, and AGAIN has the highest: once it was heard, so were they.
        """
        signals, woken, used = self._signals, time.monotonic(), time.process_time()
        while not self._closed:
            if not signals.left:
                _tell_main_thread(AGAIN)
            INTERRUPTION.hurry()
            time.sleep(AGAIN_SECONDS)
            if INTERRUPTION.heard_at >= woken and signals.number is None and not INTERRUPTION.wanted:
                return
            if signals.number is not None and self._is_overdue(woken, used):
                self._force(signals.number)

    def _is_overdue(self, woken: float, used: float) -> bool:
        by_clock = time.monotonic() - woken
        if self._signals.left or INTERRUPTION.is_critical:
            return by_clock > CLEANUP_SECONDS
        return by_clock > FORCE_SECONDS and (by_clock > STARVED_SECONDS or time.process_time() - used > FORCE_SECONDS)

    def _force(self, number: int) -> None:
        if self._terminal is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSANOW, self._terminal)  # type: ignore[arg-type]  # as tcgetattr gave it
        with contextlib.suppress(OSError):
            os.write(2, f"\nvmdbg: stopped by {signal.Signals(number).name}, in the midst of something\n".encode())
        os._exit(SIGNAL_BASE + number)


def _tell_main_thread(number: int) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _terminal_mode() -> list[object] | None:
    """How the terminal was before anybody changed it."""
    try:
        return termios.tcgetattr(sys.__stdin__.fileno() if sys.__stdin__ is not None else 0)
    except (termios.error, OSError, ValueError):
        return None


SIGNALS = Signals()
