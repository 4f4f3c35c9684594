"""How workers end: with their parent, whatever becomes of that, and at once when it wants no more of them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from vmdbg.interruption import INTERRUPTION

_PR_SET_PDEATHSIG = 1
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_HEARD = (signal.SIGINT, *_ENDING)


def live_as_worker() -> None:
    """In a worker, before it works: Ctrl-C is its parent's, other signals end it, and so does its parent's end.

    The kernel tells of that end even while native code runs (prctl(2), PR_SET_PDEATHSIG), but only if it comes after
    this call and on Linux. The pipe whose other end is the parent's tells of it always.
    """
    signal.set_wakeup_fd(-1)  # a forked one would write into its parent's
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    INTERRUPTION.forget_all()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent watcher", daemon=True).start()


@contextmanager
def signals_wait() -> Iterator[None]:
    """Inside, where processes are started, signals wait: what a handler raises in a hook of fork() is lost, and a
    process that has just begun has no handler. It unblocks them itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    try:
        with _python_waits(), INTERRUPTION.critical():  # they may come to another thread, and be handled in this one
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _python_waits() -> Iterator[None]:
    """Python's own Ctrl-C too, which a script without handlers has: a worker that is told half of what it is to do
    would complain.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if heard:
            raise KeyboardInterrupt


def _end_with(parent: BaseProcess) -> None:
    wait([parent.sentinel])
    os._exit(1)  # nobody is left to tell


def end_workers(workers: Iterable[BaseProcess]) -> None:
    """Without asking them: a worker that is busy in native code hears nothing else at once."""
    for worker in workers:
        worker.kill()
