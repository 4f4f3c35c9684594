"""Ctrl-C while a line is carried out."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

MOVERS = ("vmdbg.timeline.", "vmdbg.machine.", "vmdbg.engine.")


@contextlib.contextmanager
def on_control_c(handle: Callable[[FrameType | None], None]) -> Iterator[None]:
    """Inside, Ctrl-C calls `handle` with what is carried out, and does nothing else."""
    try:
        before = signal.signal(signal.SIGINT, lambda _number, frame: handle(frame))
    except ValueError:
        yield  # not the main thread: no signal comes here
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Interruption:
    """For lines that do not let the guest run.

    Work on the history ends at the next sign of progress, where it can be left; the user's own code at once.
    """

    def __init__(self) -> None:
        self._wanted = False

    @contextlib.contextmanager
    def heeded(self, *, at_once: bool) -> Iterator[None]:
        """Inside, Ctrl-C raises KeyboardInterrupt: out of check(), with `at_once` wherever the machine is whole."""
        self._wanted = False

        def note(frame: FrameType | None) -> None:
            if at_once and not _moves_the_machine(frame):
                raise KeyboardInterrupt
            self._wanted = True

        with on_control_c(note):
            yield

    def check(self) -> None:
        """Raises KeyboardInterrupt if Ctrl-C was pressed."""
        if self._wanted:
            self._wanted = False
            raise KeyboardInterrupt


def _moves_the_machine(frame: FrameType | None) -> bool:
    """Whether what is carried out would leave RAM and CPU of different instants, were it left now."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(MOVERS):
            return True
        frame = frame.f_back
    return False
