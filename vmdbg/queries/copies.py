"""One query in copies of this process, which have the timeline already: they share the history out among themselves."""

from __future__ import annotations

import atexit
import ctypes
import gc
import multiprocessing
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import accumulate, pairwise
from multiprocessing.sharedctypes import RawArray

from vmdbg.interruption import WaitingThread
from vmdbg.machine.snapshot import Position
from vmdbg.queries.lifetime import live_as_worker, signals_wait
from vmdbg.queries.parallel import Part, ended_with
from vmdbg.queries.scan import Query, Row, joined, scan
from vmdbg.timeline.keeping import CHECKPOINT_SECONDS, GRID
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline

LOOK_SECONDS = 0.2
"""Between two looks at how far copies are."""
MOVE_SECONDS = 0.08
"""What it takes a copy to go elsewhere: much of memory is put back, each page copied first, and code translated."""
NOTHING = -1
_leaving: list[threading.Thread] = []
"""Those that wait for copies to end, which have done all there was to do."""


def can_fork() -> bool:
    """Whether this process may be copied as it is: no thread of it holds a lock."""
    _await_leaving()
    return sys.platform == "linux" and all(isinstance(one, WaitingThread) for one in _others())


def _await_leaving() -> None:
    """Before multiprocessing, as it ends, closes the queue by which copies are told to."""
    while _leaving:
        _leaving.pop().join()


atexit.register(_await_leaving)  # behind multiprocessing's: who came last is called first


def _others() -> list[threading.Thread]:
    """All threads but this one."""
    return [one for one in threading.enumerate() if one is not threading.current_thread()]


def stretches(work: Sequence[float], count: int) -> list[range]:
    """The parts, by number, in `count` stretches of about as much work each; all but the first have to be gone to."""
    done = [0.0, *accumulate(work)]
    each = (done[-1] + MOVE_SECONDS * (count - 1)) / count
    wanted = [each * one - MOVE_SECONDS * (one - 1) for one in range(1, count)]
    cuts = [min(range(len(done)), key=lambda at: abs(done[at] - wish)) for wish in wanted]
    return [range(start, end) for start, end in pairwise([0, *cuts, len(work)])]


def work_of(timeline: Timeline, parts: Sequence[Part]) -> list[float]:
    """About how many seconds each of the parts takes, which begin at all the checkpoints."""
    known = {checkpoint.position: timeline.checkpoints.seconds(checkpoint) for checkpoint in timeline.checkpoints}
    return [
        known[end] if end in known else CHECKPOINT_SECONDS * min(1.0, (end.tick - start.tick) / GRID)
        for start, end in parts
    ]


class Shares:
    """Which copy does which part. What it holds when it is copied, they share."""

    def __init__(self, work: Sequence[float], lengths: Sequence[int], workers: int) -> None:
        """`work` of each part in seconds, roughly, and its length in ticks."""
        self._work, self._lengths = work, lengths
        self._stretches = stretches(work, workers)
        self._lock = multiprocessing.get_context("fork").Lock()
        self._taken = RawArray(ctypes.c_bool, len(work))
        self._now = RawArray(ctypes.c_int, [NOTHING] * workers)
        self.passed = RawArray(ctypes.c_longlong, len(work))
        """Ticks that are done, of each part."""

    def take(self, worker: int) -> int | None:
        """The next part of the worker's own stretch, or else one that another would come to too late."""
        with self._lock:
            own = self._left(worker)
            index = own[0] if own else self._of_another()
            if index is not None:
                self._taken[index] = True
            self._now[worker] = NOTHING if index is None else index
            return index

    def _left(self, worker: int) -> list[int]:
        return [index for index in self._stretches[worker] if not self._taken[index]]

    def _of_another(self) -> int | None:
        """From who has most to do: the part after which both are done soonest. None if that is no gain."""
        ahead = [self._ahead(worker) for worker in range(len(self._stretches))]
        most = max(range(len(ahead)), key=ahead.__getitem__)

        def both_done(index: int) -> float:
            return max(ahead[most] - self._work[index], self._work[index] + MOVE_SECONDS)

        best = min(reversed(self._left(most)), key=both_done, default=None)
        return best if best is not None and both_done(best) < ahead[most] else None

    def _ahead(self, worker: int) -> float:
        """Seconds of work that the worker has before it."""
        left, now = self._left(worker), self._now[worker]
        rest = 0.0 if now == NOTHING else 1 - self.passed[now] / max(1, self._lengths[now])
        return sum(self._work[index] for index in left) + (rest * self._work[now] if left else 0.0)

    def done(self) -> float:
        """How much of the history is done, from 0 to 1."""
        return sum(self.passed) / max(1, sum(self._lengths))


class _Inheritance:
    """What copies get from their parent."""

    def __init__(self, timeline: Timeline, query: Query, parts: Sequence[Part], workers: int) -> None:
        self.timeline, self.query, self.parts = timeline, query, parts
        self.shares = Shares(work_of(timeline, parts), [end.tick - start.tick for start, end in parts], workers)

    def scan(self, index: int) -> Sequence[Row]:
        start, end = self.parts[index]
        passed = self.shares.passed

        def checked(position: Position) -> None:
            passed[index] = min(position.tick, end.tick) - start.tick

        return scan(self.timeline, self.query, start, end, checked)


_inherited: list[_Inheritance] = []


def scan_copies(
    timeline: Timeline, query: Query, parts: Sequence[Part], workers: int, on_progress: Progress | None = None
) -> list[Row]:
    """All rows in order. `parts` begin at all the checkpoints.

    Each copy goes through a stretch of the history, so that its translations serve it, and helps others then.
    """
    inheritance = _Inheritance(timeline, query, parts, workers)
    found: list[Sequence[Row]] = [()] * len(parts)
    with _inherit(inheritance), _copies(workers) as executor:
        with signals_wait():
            left = {executor.submit(_scan_stretch, worker) for worker in reversed(range(workers))}
        while left:
            done, left = wait(left, LOOK_SECONDS, FIRST_COMPLETED)
            if on_progress is not None:
                on_progress(inheritance.shares.done())
            for index, rows in (part for future in done for part in future.result()):
                found[index] = rows
    return joined(query, found)


@contextmanager
def _inherit(inheritance: _Inheritance) -> Iterator[None]:
    """Copies made inside get it. Garbage collections leave alone what was there before, and so need not be copied."""
    _inherited.append(inheritance)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        _inherited.pop()


@contextmanager
def _copies(workers: int) -> Iterator[Executor]:
    """Copies of this process. Nobody waits for them to end: to give back all their memory takes them a while."""
    before = {*threading.enumerate()}
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), initializer=_begin)
    try:
        with ended_with(executor, waiting=False):
            yield executor
    finally:
        _leaving.extend({*threading.enumerate()} - before)


def _scan_stretch(worker: int) -> list[tuple[int, Sequence[Row]]]:
    own, found = _inherited[-1], []
    while (index := own.shares.take(worker)) is not None:
        found.append((index, own.scan(index)))
    return found


def stand_apart(timeline: Timeline) -> None:
    """In a copy: what it comes by is its own, which is not kept and which nobody hears of."""
    timeline.recorder = None
    timeline.keeping.wanted = False
    timeline.index.stop()
    timeline.console.listeners.clear()


def _begin() -> None:
    live_as_worker()
    stand_apart(_inherited[-1].timeline)
