"""One query over many parts of a history at a time, in processes that each replay their own."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
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
LEAST_INTERVALS = 3
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


@dataclass(slots=True)
class _Inheritance:
    """What forked() leaves to its copies. `passed` is memory that they share: ticks done of each part."""

    timeline: Timeline
    parts: Sequence[Part]
    passed: ctypes.Array[ctypes.c_longlong]


_inherited: list[_Inheritance] = []


@contextmanager
def forked(timeline: Timeline, workers: int, parts: Sequence[Part]) -> Iterator[Executor]:
    """Copies of this process, which have the timeline already: for inherited_scan()."""
    _inherited.append(_Inheritance(timeline, parts, RawArray(ctypes.c_longlong, len(parts))))
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), initializer=_begin_as_copy)
    try:
        with _ended_with(executor):
            yield executor
    finally:
        _inherited.pop()


def inherited_scan(query: Query, part: Part) -> Sequence[Row]:
    """A PartScan for forked()."""
    own = _inherited[-1]
    number = own.parts.index(part)

    def checked(position: Position) -> None:
        own.passed[number] = min(position.tick, part[1].tick) - part[0].tick

    return scan(own.timeline, query, *part, checked)


def inherited_share() -> float:
    """How much of the history the copies have done."""
    own = _inherited[-1]
    return sum(own.passed) / max(1, own.parts[-1][1].tick - own.parts[0][0].tick)


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
    share: Callable[[], float] | None = None,
) -> list[Row]:
    """All rows in order. Each of the `workers` gets a stretch of the history, part by part: its caches stay warm.

    `share` says how much is done where that is known better than by whole parts.
    """
    waiting: dict[Future[Sequence[Row]], int] = {
        executor.submit(scan_part, query, parts[index]): index for index in _abreast(len(parts), workers)
    }
    found: list[Sequence[Row]] = [()] * len(parts)
    try:
        for done, future in enumerate(_completed(waiting, lambda: _report(on_progress, share)), 1):
            found[waiting[future]] = future.result()
            if on_progress is not None and share is None:
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


def _report(on_progress: Progress | None, share: Callable[[], float] | None) -> None:
    if on_progress is not None and share is not None:
        on_progress(share())


def _completed(futures: dict[Future[Sequence[Row]], int], look: Callable[[], None]) -> Iterator[Future[Sequence[Row]]]:
    """As they complete, with a look around meanwhile; those of other libraries in order."""
    if not all(isinstance(future, Future) for future in futures):
        yield from futures
        return
    left = set(futures)
    while left:
        done, left = wait(left, LOOK_SECONDS, FIRST_COMPLETED)
        look()
        yield from done


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
