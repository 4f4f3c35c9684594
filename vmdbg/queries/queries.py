"""The questions that can be asked of a history."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from pathlib import Path

from devices.network.packet_filter import parse_filter
from vmdbg.engine.exits import Access, WatchpointHit
from vmdbg.engine.stops import Stops
from vmdbg.errors import UserError, VmdbgError
from vmdbg.machine.console import PORT_WORDS
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.queries.accesses import AccessQuery, ExecutionQuery, access_row
from vmdbg.queries.calls import CallQuery, SystemCallQuery
from vmdbg.queries.copies import can_fork, scan_copies
from vmdbg.queries.difference import difference
from vmdbg.queries.disk import SHORT_LEAD, DiskQuery, surely
from vmdbg.queries.events import ALL, Cr3Query, ExceptionQuery, InterruptQuery, PortQuery
from vmdbg.queries.fresh import can_be_sent
from vmdbg.queries.ipis import InterruptWords, IpiQuery
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.linux.questions import LinuxQuestions
from vmdbg.queries.linux.who import Attributed, WhoRuns, who_runs, with_who
from vmdbg.queries.packets import PacketQuery
from vmdbg.queries.parallel import Part, file_scan, intervals, processes, scan_here, scan_parts, split
from vmdbg.queries.races.gathering import Wanted
from vmdbg.queries.races.interleaving import Interleaving
from vmdbg.queries.races.interleaving_search import MOST_INTERLEAVED, InterleavingSearch
from vmdbg.queries.races.report import RaceReport
from vmdbg.queries.races.search import RaceSearch
from vmdbg.queries.rows import (
    AccessRow,
    CallRow,
    ConsoleRow,
    Cr3Row,
    DeliveryRow,
    DiskRow,
    ExecutionRow,
    IpiRow,
    PacketRow,
    PortRow,
    ScreenRow,
    StateDifference,
    SystemCallRow,
)
from vmdbg.queries.scan import Conditioned, Query, Row
from vmdbg.queries.screens import EVERY as SCREENS_EVERY
from vmdbg.queries.screens import ScreensQuery
from vmdbg.queries.survey import SurveyQuery, SurveyRow
from vmdbg.queries.unfinished import finished
from vmdbg.recording.reader import Recording
from vmdbg.recording.save import save_recording
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.reverse import reverse_search
from vmdbg.timeline.stops import arm
from vmdbg.timeline.timeline import Timeline

WORTH_PROCESSES = 500_000_000
"""Ticks of history below which starting other processes costs more than it saves."""
LONGEST_RANGE = 1 << 22
"""Bytes of code whose executions can be asked for at once."""


class Queries(LinuxQuestions):
    """Questions about a timeline. It is where it was afterwards; nothing that happens in between is seen by the guest.

    Long histories are searched by several processes: as many as there are cores, `workers`, or those of any
    concurrent.futures `executor` (of Dask: `client.get_executor()`) whose workers see the recording's file.
    `on_progress` is told how much is done, from 0 to 1, and may raise to end the search.
    """

    def __init__(
        self,
        timeline: Timeline,
        recording: Recording | None = None,
        *,
        executor: Executor | None = None,
        workers: int | None = None,
        on_progress: Progress | None = None,
        linux: Callable[[], KnownLinux] | None = None,
        who: Callable[[], WhoRuns | None] | None = None,
        interrupts: Callable[[Iterable[int]], InterruptWords] | None = None,
    ) -> None:
        """`linux` finds the kernel that the guest has at the history's end. Raises UserError if there is none.

        `who` has how it is told who runs there, None if that cannot be: rows say it then. `interrupts` has what
        interrupts, and these functions, are called.
        """
        self._timeline = timeline
        self._recording = recording
        self.linux = linux
        self._who = who
        self._interrupts = interrupts
        self._only: Callable[[], bool] | None = None
        self._executor = executor
        self._workers = workers if workers is not None else _cores()
        self._on_progress = on_progress

    def using(
        self, *, executor: Executor | None = None, workers: int | None = None, on_progress: Progress | None = None
    ) -> Queries:
        """The same questions, answered with other means."""
        other = copy(self)
        other._executor = executor
        other._workers = workers if workers is not None else _cores()
        other._on_progress = on_progress
        return other

    def only_if(self, holds: Callable[[], bool]) -> Queries:
        """The same questions about the instants at which something holds, when the guest stands there."""
        other = copy(self)
        other._only = holds
        return other

    def who_wrote(
        self,
        address: int,
        size: int = 1,
        *,
        before: Position | None = None,
        physical: bool = False,
        wanted: Callable[[AccessRow], bool] | None = None,
    ) -> AccessRow | None:
        """The last write to any of `size` bytes before `before` (now, if None), of those that are wanted; None if there
        was none."""
        timeline, origin = self._timeline, self._timeline.position
        query = AccessQuery(address, _checked_size(size), frozenset({Access.WRITE}), physical)
        who = self._who_runs()
        found: list[AccessRow] = []

        def is_stop(outcome: Outcome) -> bool:
            if not isinstance(outcome, WatchpointHit):
                return False
            row = access_row(timeline, outcome.hits[-1])
            if wanted is not None and not wanted(row):
                return False
            found[:] = [with_who(row, who_runs(who.locator, timeline.machine.engine)) if who is not None else row]
            return True

        with timeline.undisturbed():
            timeline.go(origin if before is None else self._known(before))
            arm(timeline.machine.engine, query.stops)
            try:
                last = reverse_search(timeline, is_stop, self._on_progress)
            finally:
                arm(timeline.machine.engine, Stops())
                timeline.go(origin)
        return found[0] if last is not None else None

    def writes(self, address: int, size: int = 1, *, physical: bool = False) -> list[AccessRow]:
        """All writes to any of `size` bytes from a linear address, in whatever address space, or a physical one."""
        return self._accesses(address, size, frozenset({Access.WRITE}), physical)

    def reads(self, address: int, size: int = 1, *, physical: bool = False) -> list[AccessRow]:
        """All reads of any of `size` bytes."""
        return self._accesses(address, size, frozenset({Access.READ}), physical)

    def accesses(self, address: int, size: int = 1, *, physical: bool = False) -> list[AccessRow]:
        """All reads and writes of any of `size` bytes."""
        return self._accesses(address, size, frozenset(Access), physical)

    def _accesses(self, address: int, size: int, kinds: frozenset[Access], physical: bool) -> list[AccessRow]:
        mapped = frozenset() if physical else self._timeline.mapped(address, _checked_size(size))
        return self.run(AccessQuery(address, _checked_size(size), kinds, physical, mapped))

    def executions(self, address: int, size: int = 1, *, physical: bool = False) -> list[ExecutionRow]:
        """All executions of instructions that begin in a range."""
        if _checked_size(size) > LONGEST_RANGE:
            raise UserError(f"executions can be asked for in ranges of at most {LONGEST_RANGE} bytes, not {size}")
        return self.run(ExecutionQuery(tuple(range(address, address + size)), physical))

    def calls(self, function: int, arguments: int = 6) -> list[CallRow]:
        """All calls of the function at a linear address, with so many arguments and what it returned."""
        return self.run(CallQuery(function, arguments))

    def system_calls(self, numbers: Iterable[int] = ()) -> list[SystemCallRow]:
        """All system calls, or those of some numbers."""
        return self.run(SystemCallQuery(frozenset(numbers)))

    def exceptions(self, vectors: Iterable[int] | None = None) -> list[DeliveryRow]:
        """All exceptions and INT n that were delivered, or those of some vectors."""
        return self.run(ExceptionQuery(ALL if vectors is None else frozenset(vectors)))

    def interrupts(self, vectors: Iterable[int] | None = None) -> list[DeliveryRow]:
        """All external interrupts, or those of some vectors."""
        return self.run(InterruptQuery(ALL if vectors is None else frozenset(vectors)))

    def ipis(self) -> list[IpiRow]:
        """All interrupts that CPUs sent to one another, a row for each that gets one."""
        known = self._linux_or_none()
        found: list[IpiRow] = self.run(IpiQuery(known.calls_between_cpus if known is not None else None))
        if self._interrupts is None or not found:
            return found
        words = self._interrupts({one.function for row in found for one in row.called})
        return [replace(row, name=words.name(row.vector), runs=words.runs(row.called)) for row in found]

    def port_accesses(self, ports: Iterable[int] = (), *, reads: bool = True, writes: bool = True) -> list[PortRow]:
        """All IN, OUT, INS and OUTS, or those of some ports."""
        wanted = frozenset(access for access, want in ((Access.READ, reads), (Access.WRITE, writes)) if want)
        return self.run(PortQuery(frozenset(ports), wanted))

    def disk_requests(self, drives: Iterable[str] = (), *, sector: int | None = None) -> list[DiskRow]:
        """All requests to drives, or to some; or those that moved one sector. UserError: no drive of that name."""
        wanted = frozenset(drives)
        known = [drive.name for drive in self._timeline.machine.config.drives]
        for name in sorted(wanted.difference(known)):
            raise UserError(f"there is no drive {name!r}; there are: {', '.join(known) or 'none'}")
        who = self._who_runs()
        if sector is not None and who is not None:
            found = surely(self.run(DiskQuery(wanted, sector, who, SHORT_LEAD)))
            if found is not None:
                return found
        return self.run(DiskQuery(wanted, sector, who))

    def packets(self, words: str = "") -> list[PacketRow]:
        """All frames of network devices, or those that a filter as `tcp port 80` lets through. Raises UserError."""
        try:
            parse_filter(words)
        except ValueError as error:
            raise UserError(str(error)) from None
        return self.run(PacketQuery(words))

    def cr3_loads(self) -> list[Cr3Row]:
        """All loads of CR3: switches of the address space, and TLB flushes."""
        return self.run(Cr3Query())

    def screens(self, every: int = SCREENS_EVERY) -> list[ScreenRow]:
        """When what a monitor shows changed, as seen at every multiple of `every` ticks; what blinks is no change."""
        if every < 1:
            raise UserError(f"the screen is looked at every so many ticks, from 1 on, not {every}")
        return self.run(ScreensQuery(every))

    def console_lines(self, port: int = 0) -> list[ConsoleRow]:
        """All lines that a serial port (0 is COM1), the virtio console (4) or the debug console (-1) was given."""
        log = self._timeline.console.ports.get(port)
        if log is None:
            raise UserError(f"there is no console {port}: {PORT_WORDS}")
        return [ConsoleRow(Position(tick), port, text) for tick, text in log.lines()]

    def difference(self, before: Position, after: Position) -> StateDifference:
        """Registers, memory and devices that differ between two instants."""
        origin = self._timeline.position
        try:
            return difference(self._timeline, self._known(before), self._known(after), self._on_progress)
        finally:
            self._timeline.seek(origin)

    def races(self, wanted: Wanted) -> RaceReport:
        """Accesses by different CPUs that nothing orders and no lock keeps apart.

        Linux's locks are known if it is up at the history's end. Raises UserError where that is too much to look at.
        """
        return RaceSearch(self._timeline, self._linux_or_none(), self._part, self._on_progress).report(wanted)

    def interleaving(self, wanted: Wanted, cpus: Iterable[int] = ()) -> Interleaving:
        """What CPUs (all, if none is named) did that bears on each other, in order, and the rest folded.

        Raises UserError where that is too much to look at.
        """
        search = InterleavingSearch(
            self._timeline, self._linux_or_none(), self._part, self._on_progress, MOST_INTERLEAVED
        )
        return search.found(wanted, frozenset(cpus))

    def _linux_or_none(self) -> KnownLinux | None:
        if self.linux is not None:
            with suppress(VmdbgError):
                return self.linux()
        return None

    def _part(self, query: Query, start: Position, end: Position) -> list[Row]:
        """The rows of a part of the history."""
        whole = (start, end) == (self._timeline.start, self._timeline.end)
        return self.run(query) if whole else scan_here(self._timeline, query, start, end, self._on_progress)

    def run(self, query: Query) -> list[Row]:
        """The rows of any query over the whole history."""
        who = self._who_runs()
        if who is not None:
            query = Attributed(query, who.locator)
        if self._only is not None:
            query = Conditioned(query, self._only)
        return self._run(query)

    def survey(self, stretches: int = 512) -> SurveyRow:
        """How much happened when, and who ran, in at most so many stretches: what the browser view's timeline draws.

        Raises UserError.
        """
        if stretches < 1:
            raise UserError(f"a history has 1 stretch or more, not {stretches}")
        row = SurveyRow(-(-max(1, self._timeline.end.tick) // stretches))
        for part in self._run(SurveyQuery(row.length, self._linux_or_none())):
            row.add(part)
        return row

    def _run(self, query: Query) -> list[Row]:
        timeline = self._timeline
        ticks = timeline.end.tick - timeline.start.tick
        if self._executor is None and (self._workers < 2 or ticks < WORTH_PROCESSES):
            return scan_here(timeline, query, timeline.start, timeline.end, self._on_progress)
        if self._executor is None and can_fork():
            rows = scan_copies(timeline, query, intervals(timeline), self._workers, self._on_progress)
            return finished(timeline, rows, self._on_progress)
        if self._executor is None and not (can_be_sent(query) and self._has_file):
            return scan_here(timeline, query, timeline.start, timeline.end, self._on_progress)
        parts = split(timeline, self._workers)
        with self._file() as path:
            if self._executor is not None:
                rows = self._scan(self._executor, path, query, parts)
            else:
                with processes(self._workers) as executor:
                    rows = self._scan(executor, path, query, parts)
        return finished(timeline, rows, self._on_progress)

    def _who_runs(self) -> WhoRuns | None:
        return self._who() if self._who is not None else None

    def _scan(self, executor: Executor, path: Path, query: Query, parts: Sequence[Part]) -> list[Row]:
        left_out = self._recording.left_out if self._recording is not None else ()
        return scan_parts(executor, file_scan(path, left_out), query, parts, self._on_progress, workers=self._workers)

    @property
    def _has_file(self) -> bool:
        """Whether there is a file with this history, or can be: not without knowing what its machine was made from."""
        return self._recording is not None or self._timeline.origin is not None

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """A file that holds this history."""
        if self._recording is not None and self._timeline.closed:
            yield self._recording.path
            return
        with tempfile.TemporaryDirectory(prefix="vmdbg-") as directory:
            path = Path(directory) / "history"
            save_recording(self._timeline, path)
            yield path

    def _known(self, position: Position) -> Position:
        timeline = self._timeline
        if not timeline.start <= position <= timeline.end:
            raise UserError(f"{position} is outside the history, which is from {timeline.start} to {timeline.end}")
        return position


def _checked_size(size: int) -> int:
    if size < 1:
        raise UserError(f"{size} bytes are no range of memory")
    return size


def _cores() -> int:
    return os.cpu_count() or 1
