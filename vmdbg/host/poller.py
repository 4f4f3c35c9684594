"""What the one thread waits for: file descriptors with what to do when they are ready."""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Poller:
    """Calls back for files that are ready. `wake` ends a wait from a signal handler."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        self._selector.register(self._wake_reader, READ, self._woken)

    def watch(self, file: int, events: int, callback: Callable[[int], object]) -> None:
        """Call `callback` with READ, WRITE or both when `file` is ready for them; replaces what was there.

        Raises OSError for what cannot be waited for, such as a plain file.
        """
        try:
            self._selector.modify(file, events, callback)
        except KeyError:
            self._selector.register(file, events, callback)

    def forget(self, file: int) -> None:
        """Does nothing for a file that is not watched."""
        if file in self._selector.get_map():
            self._selector.unregister(file)

    def wait(self, seconds: float | None) -> None:
        """Wait until something is ready, and do it; for ever if None."""
        for key, events in self._selector.select(seconds):
            if key.fd in self._selector.get_map():
                key.data(events)

    def fileno(self) -> int:
        """Readable when `wait` has something to do."""
        descriptor: int = self._selector.fileno()
        return descriptor

    def wake(self) -> None:
        """End the wait that goes on, or the next one."""
        with contextlib.suppress(OSError):  # full: it wakes anyway; closed: nobody waits
            os.write(self._wake_writer, b"!")

    def _woken(self, events: int) -> None:
        del events
        os.read(self._wake_reader, 4096)

    def close(self) -> None:
        self._selector.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
