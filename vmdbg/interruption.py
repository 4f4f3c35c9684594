"""Ending whatever takes long. Somebody asks, such as a signal's handler; long work looks where it can be left.

There is one Interruption for the process, as there is one set of signal handlers.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Protocol

MOVERS = ("vmdbg.timeline.", "vmdbg.machine.", "vmdbg.debugger.")
"""Modules whose code, left anywhere but where it looks, leaves RAM and CPU of different instants."""
READERS = ("vmdbg.debugger.memory", "vmdbg.debugger.context", "vmdbg.debugger.describe")
"""Those of them that only look."""
UNWIND_SECONDS = 0.5


class StoppedError(KeyboardInterrupt):
    """A signal ends the process: `number` says which. What handles Ctrl-C handles it too, and is left soon after."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class WaitingThread(threading.Thread):
    """One that waits and holds no lock meanwhile: the process may be forked beside it."""


class Hurried(Protocol):
    """Who runs native code that no handler gets through to."""

    def hurry(self) -> None:
        """Come back soon. Called from any thread."""
        ...


class Interruption:
    """What was asked for, and who can be hurried."""

    def __init__(self) -> None:
        self._once: BaseException | None = None
        self._raised: BaseException | None = None
        """What a handler has raised and nobody has said to have caught: some code that Python calls loses it."""
        self._raised_at = 0.0
        self._for_good: StoppedError | None = None
        self._critical = 0
        self._runners: weakref.WeakSet[Hurried] = weakref.WeakSet()
        self.heard_at = 0.0
        """When a handler was last told of a signal (time.monotonic)."""

    def ask(self, error: BaseException) -> None:
        """Have the next check() raise it; a StoppedError all from now on. Safe in a signal handler."""
        if isinstance(error, StoppedError):
            self._for_good = self._for_good or error
        else:
            self._once = error

    def check(self) -> None:
        """Raises what was asked for, once, and nothing else."""
        error = self._for_good or self._once
        if error is not None and not self._critical:
            self._once = None
            raise error

    def raise_from(self, frame: FrameType | None) -> None:
        """In a handler: raise what was asked for, unless that would leave something half done. Again only once there
        was time enough to leave what is left.
        """
        error = self._for_good or self._once or self._raised
        now = time.monotonic()
        if error is None or now - self._raised_at < UNWIND_SECONDS or self._critical or _moves_the_machine(frame):
            return
        self._once, self._raised, self._raised_at = None, error, now
        raise error

    @property
    def wanted(self) -> bool:
        """Whether something was asked for that is still to be done."""
        return any((self._once, self._raised, self._for_good))

    def forget(self) -> None:
        """What was asked for is done, or has come too late. The end of the process remains."""
        self._once = self._raised = None
        self._raised_at = 0.0

    def forget_all(self) -> None:
        """For a process forked from one that ends, and for the next in the same process."""
        self.forget()
        self._for_good = None

    @contextlib.contextmanager
    def critical(self) -> Iterator[None]:
        """Inside, nothing is raised: what is done is short and must be whole."""
        self._critical += 1
        try:
            yield
        finally:
            self._critical -= 1

    @property
    def is_critical(self) -> bool:
        return self._critical > 0

    def heard(self) -> None:
        """A handler runs."""
        self.heard_at = time.monotonic()

    def hurries(self, runner: Hurried) -> None:
        """`runner` is to be told by hurry(), as long as it lives."""
        self._runners.add(runner)

    def hurry(self) -> None:
        """Have native code come back soon. Safe in any thread."""
        with contextlib.suppress(RuntimeError):  # another thread made a machine just now: the next call finds it
            for runner in list(self._runners):
                runner.hurry()


def _moves_the_machine(frame: FrameType | None) -> bool:
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith(MOVERS) and name not in READERS:
            return True
        frame = frame.f_back
    return False


INTERRUPTION = Interruption()
