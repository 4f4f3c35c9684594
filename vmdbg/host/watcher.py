"""Ctrl-C reaches a guest in the midst of a slice: a thread that does nothing but end the run when a client speaks."""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Callable

from vmdbg.interruption import WaitingThread


class Watcher:
    """Waits for `file` to be readable, while armed, and calls `on_ready` from its thread; then it is no longer armed.

    The thread is started by the first arm(). It touches nothing of the guest's.
    """

    def __init__(self, file: int, on_ready: Callable[[], None]) -> None:
        self._file = file
        self._on_ready = on_ready
        self._armed = False
        self._reported = False
        self._closed = False
        self._go = threading.Semaphore(0)
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread: threading.Thread | None = None

    def arm(self) -> None:
        """Call back when the client speaks; nothing changes if it is armed already."""
        if self._armed or self._closed:
            return
        self._armed = True
        if self._thread is None:
            self._thread = WaitingThread(target=self._watch, name="gdb client watcher", daemon=True)
            self._thread.start()
        self._go.release()

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for file in (self._file, self._wake_reader):
                selector.register(file, selectors.EVENT_READ)
            while True:
                self._go.acquire()
                if not self._closed:
                    selector.select()
                if self._closed:
                    return
                self._armed, self._reported = False, True
                self._on_ready()

    def take_report(self) -> bool:
        """Whether it has called back since this was last asked."""
        reported, self._reported = self._reported, False
        return reported

    def close(self) -> None:
        """End the thread."""
        if self._closed:
            return
        self._closed = True
        os.write(self._wake_writer, b"!")
        self._go.release()
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
