"""One query over many parts of a history at a time, in processes that each replay their own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
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
OPEN_FILES = 2
_open: dict[tuple[str, int], Timeline] = {}
"""In a worker: the timelines of the recordings that it was asked about last."""


def split(timeline: Timeline, workers: int) -> list[Part]:
    """The history in parts that begin at checkpoints, which lie about as much work apart."""
    begins = [checkpoint.position for checkpoint in timeline.checkpoints if checkpoint.position < timeline.end]
    wanted = min(len(begins), max(1, workers * PARTS_PER_WORKER))
    cuts = [begins[len(begins) * part // wanted] for part in range(wanted)]
    return list(zip(cuts, [*cuts[1:], timeline.end], strict=True))


def scan_file(path: str, stamp: int, query: Query, part: Part) -> Sequence[Row]:
    """What a worker does. `stamp` tells one state of the file from another."""
    timeline = _open.get((path, stamp))
    if timeline is None:
        while len(_open) >= OPEN_FILES:
            _open.pop(next(iter(_open))).machine.close()
        timeline = _open[path, stamp] = replay(open_recording(path))
    return scan(timeline, query, *part)


@contextmanager
def processes(workers: int | None = None) -> Iterator[Executor]:
    """An executor of as many fresh processes as there are cores, or `workers`."""
    context = multiprocessing.get_context("forkserver")
    executor = ProcessPoolExecutor(workers or os.cpu_count() or 1, context)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def scan_parts(
    executor: Executor, path: Path, query: Query, parts: Sequence[Part], on_progress: Progress | None = None
) -> list[Row]:
    """All rows in order. `path` is a recording that the executor's workers can open."""
    absolute, stamp = str(path.resolve()), path.stat().st_mtime_ns
    waiting: dict[Future[Sequence[Row]], int] = {
        executor.submit(scan_file, absolute, stamp, query, part): index for index, part in enumerate(parts)
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


def _completed(futures: dict[Future[Sequence[Row]], int]) -> Iterator[Future[Sequence[Row]]]:
    """as_completed() for futures of concurrent.futures; in order for those of other libraries."""
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
