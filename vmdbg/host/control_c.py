"""Ctrl-C while a line is carried out."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from vmdbg.interruption import INTERRUPTION


@contextlib.contextmanager
def on_control_c(handle: Callable[[FrameType | None], None]) -> Iterator[None]:
    """Inside, Ctrl-C calls `handle` with what is carried out, and does nothing else."""

    def heard(_number: int, frame: FrameType | None) -> None:
        INTERRUPTION.heard()
        handle(frame)

    try:
        before = signal.signal(signal.SIGINT, heard)
    except ValueError:
        yield  # not the main thread: no signal comes here
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def control_c_interrupts() -> Iterator[None]:
    """Inside, Ctrl-C raises KeyboardInterrupt: at once where the machine is whole, or where the work looks."""

    def interrupt(frame: FrameType | None) -> None:
        INTERRUPTION.ask(KeyboardInterrupt())
        INTERRUPTION.raise_from(frame)

    INTERRUPTION.forget()
    with on_control_c(interrupt):
        try:
            yield
        finally:
            INTERRUPTION.forget()


@contextlib.contextmanager
def control_c_ignored() -> Iterator[None]:
    """Inside, nothing goes on that it could end."""
    with on_control_c(lambda _frame: None):
        yield
