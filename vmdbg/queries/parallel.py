"""One query over many parts of a history at a time, in processes that each replay their own."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, as_completed, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

from vmdbg.machine.snapshot import Position
from vmdbg.queries.scan import Query, Row, scan
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay
from vmdbg.timeline.timeline import Progress, Timeline
from vmdbg.units import Tick

Part = tuple[Position, Position]
PARTS_PER_WORKER = 6
"""Parts are made no smaller than needed to keep all workers busy to the end."""
LEAST_INTERVALS = 1
"""Between checkpoints, in a part: going on costs less than beginning, with cold caches, at a checkpoint."""
OPEN_FILES = 2
_open: dict[tuple[str, int], Timeline] = {}
"""In a worker: the timelines of the recordings that it was asked about last."""
LOOK_SECONDS = 0.2
"""Between two looks at how far copies are."""

PartScan = Callable[[Query, Part], Sequence[Row]]
"""What a worker does with a part."""


def split(timeline: Timeline, workers: int) -> list[Part]:
    """The history in parts that begin at checkpoints, which lie about as much work apart."""
    begins = [checkpoint.position for checkpoint in timeline.checkpoints if checkpoint.position < timeline.end]
    each = min(PARTS_PER_WORKER, max(1, len(begins) // (LEAST_INTERVALS * workers)))
    wanted = min(len(begins), workers * each)
    cuts = [begins[len(begins) * part // wanted] for part in range(wanted)]
    return list(zip(cuts, [*cuts[1:], timeline.end], strict=True))


def file_scan(path: Path) -> PartScan:
    """For workers that can open the recording at `path`."""
    return partial(_scan_file, str(path.resolve()), path.stat().st_mtime_ns)


def _scan_file(path: str, stamp: int, query: Query, part: Part) -> Sequence[Row]:
    """`stamp` tells one state of the file from another."""
    timeline = _open.get((path, stamp))
    if timeline is None:
        while len(_open) >= OPEN_FILES:
            _open.pop(next(iter(_open))).machine.close()
        timeline = _open[path, stamp] = replay(open_recording(path))
    return scan(timeline, query, *part)


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Fresh processes."""
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"), initializer=_leave_signals)
    with _ended_with(executor):
        yield executor


@contextmanager
def _ended_with(executor: ProcessPoolExecutor) -> Iterator[None]:
    """An error inside ends the executor's processes at once."""
    before = set(multiprocessing.active_children())
    try:
        yield
    except BaseException:
        for worker in set(multiprocessing.active_children()) - before:
            worker.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def can_fork() -> bool:
    """Whether this process may be copied as it is: no thread of it holds a lock."""
    return sys.platform == "linux" and threading.active_count() == 1


class _Inheritance:
    """What copies get from their parent. They share which parts are taken, and how many ticks of each are done."""

    def __init__(self, timeline: Timeline, query: Query, parts: Sequence[Part], workers: int) -> None:
        self.timeline, self.query, self.parts = timeline, query, parts
        count = len(parts)
        self.stretches = [range(count * one // workers, count * (one + 1) // workers) for one in range(workers)]
        self._lock = multiprocessing.get_context("fork").Lock()
        self._taken = RawArray(ctypes.c_bool, count)
        self.passed = RawArray(ctypes.c_longlong, count)

    def take(self, worker: int) -> int | None:
        """The next part of the worker's own stretch, or else the last one of the stretch with most left."""
        with self._lock:
            left = [[index for index in stretch if not self._taken[index]] for stretch in self.stretches]
            most = max(left, key=len)
            if not most:
                return None
            index = left[worker][0] if left[worker] else most[-1]
            self._taken[index] = True
            return index

    def scan(self, index: int) -> Sequence[Row]:
        start, end = self.parts[index]

        def checked(position: Position) -> None:
            self.passed[index] = min(position.tick, end.tick) - start.tick

        return scan(self.timeline, self.query, start, end, checked)

    def share(self) -> float:
        """How much of the history is done."""
        return sum(self.passed) / max(1, self.parts[-1][1].tick - self.parts[0][0].tick)


_inherited: list[_Inheritance] = []


def scan_copies(
    timeline: Timeline, query: Query, parts: Sequence[Part], workers: int, on_progress: Progress | None = None
) -> list[Row]:
    """All rows in order, found by copies of this process, which have the timeline already.

    Each goes through a stretch of the history, part by part, so that its translations serve it, and helps others then.
    """
    shared = _Inheritance(timeline, query, parts, workers)
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), initializer=_begin_as_copy)
    found: list[Sequence[Row]] = [()] * len(parts)
    _inherited.append(shared)
    try:
        with _ended_with(executor):
            left = {executor.submit(_scan_stretch, worker) for worker in range(workers)}
            while left:
                done, left = wait(left, LOOK_SECONDS, FIRST_COMPLETED)
                if on_progress is not None:
                    on_progress(shared.share())
                for index, rows in (part for future in done for part in future.result()):
                    found[index] = rows
    finally:
        _inherited.pop()
    return [row for rows in found for row in rows]


def _scan_stretch(worker: int) -> list[tuple[int, Sequence[Row]]]:
    own, found = _inherited[-1], []
    while (index := own.take(worker)) is not None:
        found.append((index, own.scan(index)))
    return found


def _begin_as_copy() -> None:
    _leave_signals()
    _inherited[-1].timeline.recorder = None


def _leave_signals() -> None:
    """Ctrl-C is the parent's, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def scan_parts(
    executor: Executor,
    scan_part: PartScan,
    query: Query,
    parts: Sequence[Part],
    on_progress: Progress | None = None,
    *,
    workers: int = 1,
) -> list[Row]:
    """All rows in order. Each of the `workers` gets a stretch of the history, if they are equally quick."""
    waiting: dict[Future[Sequence[Row]], int] = {
        executor.submit(scan_part, query, parts[index]): index for index in _abreast(len(parts), workers)
    }
    found: list[Sequence[Row]] = [()] * len(parts)
    try:
        for done, future in enumerate(_completed(waiting), 1):
            found[waiting[future]] = future.result()
            if on_progress is not None:
                on_progress(done / len(parts))
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    return [row for rows in found for row in rows]


def _abreast(count: int, workers: int) -> list[int]:
    """0 to `count` in the order in which equally quick workers come to them, each in its own stretch."""
    length = -(-count // workers)
    return sorted(range(count), key=lambda index: (index % length, index))


def _completed(futures: dict[Future[Sequence[Row]], int]) -> Iterator[Future[Sequence[Row]]]:
    """As they complete; those of other libraries than concurrent.futures in order."""
    if all(isinstance(future, Future) for future in futures):
        return iter(as_completed(futures))
    return iter(futures)


def scan_here(
    timeline: Timeline, query: Query, start: Position, end: Position, on_progress: Progress | None = None
) -> list[Row]:
    """All rows, found on this machine in this process; the timeline is then where it was."""
    origin = timeline.position
    whole = max(1, end.tick - start.tick)

    def checked(position: Position) -> None:
        if on_progress is not None:
            on_progress(min(1.0, Tick(position.tick - start.tick) / whole))

    try:
        return list(scan(timeline, query, start, end, checked))
    finally:
        timeline.seek(origin)
