"""One query over many parts of a history at a time, in processes that each replay their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

from vmdbg.machine.snapshot import Position
from vmdbg.queries.fresh import FreshContext
from vmdbg.queries.lifetime import end_workers, live_as_worker, signals_wait
from vmdbg.queries.scan import Query, Row, joined, scan
from vmdbg.queries.unfinished import finished
from vmdbg.recording.reader import open_recording
from vmdbg.recording.replay import replay
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

Part = tuple[Position, Position]
PARTS_PER_WORKER = 6
"""Parts are made no smaller than needed to keep all workers busy to the end."""
OPEN_FILES = 2
_open: dict[tuple[str, int], Timeline] = {}
"""In a worker: the timelines of the recordings that it was asked about last."""

PartScan = Callable[[Query, Part], Sequence[Row]]
"""What a worker does with a part."""


def intervals(timeline: Timeline) -> list[Part]:
    """The history cut at all the checkpoints."""
    begins = [checkpoint.position for checkpoint in timeline.checkpoints if checkpoint.position < timeline.end]
    return list(pairwise([*begins, timeline.end]))


def split(timeline: Timeline, workers: int) -> list[Part]:
    """The history in parts that begin at checkpoints, which lie about as much work apart."""
    every = intervals(timeline)
    wanted = min(len(every), workers * PARTS_PER_WORKER)
    cuts = [len(every) * part // wanted for part in range(wanted + 1)]
    return [(every[start][0], every[end - 1][1]) for start, end in pairwise(cuts)]


def file_scan(path: Path, left_out: Sequence[Path] = ()) -> PartScan:
    """For workers that can open the recording at `path`, and the files that it was made without."""
    others = tuple(str(one.resolve()) for one in left_out)
    return partial(_scan_file, str(path.resolve()), path.stat().st_mtime_ns, others)


def _scan_file(path: str, stamp: int, left_out: tuple[str, ...], query: Query, part: Part) -> Sequence[Row]:
    """`stamp` tells one state of the file from another."""
    timeline = _open.get((path, stamp))
    if timeline is None:
        while len(_open) >= OPEN_FILES:
            _open.pop(next(iter(_open))).machine.close()
        timeline = _open[path, stamp] = replay(open_recording(path, left_out))
    return scan(timeline, query, *part)


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Fresh processes, which do not run the program's `__main__` again."""
    executor = ProcessPoolExecutor(workers, FreshContext(), initializer=live_as_worker)
    with ended_with(executor):
        yield executor


@contextmanager
def ended_with(executor: ProcessPoolExecutor, *, waiting: bool = True) -> Iterator[None]:
    """An error inside ends the executor's processes at once. Without one, they have ended if `waiting`, or end soon."""
    before = set(multiprocessing.active_children())
    try:
        yield
    except BaseException:
        end_workers(set(multiprocessing.active_children()) - before)
        executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown(waiting)


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
    with signals_wait():
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
    return joined(query, found)


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
        return finished(timeline, joined(query, [scan(timeline, query, start, end, checked)]), on_progress)
    finally:
        timeline.seek(origin)
