"""Requests to drives, as their controllers finish them; of a Linux with who asked for them, and of what file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devices.disk.drive import Drive, DriveBus
from devices.disk.requests import DiskRequest, Operation
from vmdbg.engine.exits import BreakpointHit
from vmdbg.engine.stops import Breakpoints, Catches, DiskCatch, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.bios import Bio
from vmdbg.os.seam import CurrentTask
from vmdbg.queries.linux.who import WhoRuns, who_runs
from vmdbg.queries.rows import DiskRow
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear, Tick

NAMES = {
    DriveBus.VIRTIO: ("vd",),
    DriveBus.NVME: ("nvme",),
    DriveBus.IDE: ("sd", "sr", "hd"),
    DriveBus.AHCI: ("sd", "sr"),
    DriveBus.FLOPPY: ("fd",),
}
"""What Linux's names of disks at a controller begin with."""
LEAD = 300_000_000
"""Ticks before a request is submitted in which who asks for it is looked for."""
SHORT_LEAD = 10_000_000
"""In which it is looked for first: that is seldom longer ago."""
PAGING = 31
"""The bit of CR0: firmware and boot loaders do without."""
MOST_PENDING = 4096
"""Bios that no request has come for; others of theirs may never come."""


@dataclass(frozen=True, slots=True)
class DiskQuery:
    """Requests to some drives, or to all; with a `sector`, those that move that one."""

    drives: frozenset[str] = frozenset()
    sector: int | None = None
    who: WhoRuns | None = None
    lead: int = LEAD
    """Where it is a shorter one, rows whose askers are not known to the last sector come as Unsure."""

    def begin(self, timeline: Timeline) -> DiskScan:
        return DiskScan(timeline, self)


@dataclass(frozen=True, slots=True)
class Unsure:
    """A row of which more may be known with a longer lead."""

    row: DiskRow


def surely(rows: Sequence[DiskRow | Unsure]) -> list[DiskRow] | None:
    """The rows; None if one is unsure."""
    sure = [row for row in rows if not isinstance(row, Unsure)]
    return sure if len(sure) == len(rows) else None


@dataclass(slots=True)
class _Asked:
    """A bio that has come to the block layer; `left` sectors of it have not been seen to be moved."""

    bio: Bio
    task: CurrentTask
    tick: int
    left: int


class DiskScan(RowScan):
    """Invariant: a request is said to be somebody's only where what that one has asked for is at its sectors, on a disk
    that can be the drive, and on no other such disk.
    """

    def __init__(self, timeline: Timeline, query: DiskQuery) -> None:
        super().__init__(timeline)
        self._query = query
        self._drives = {drive.name: drive for drive in timeline.machine.config.drives}
        first, end = (0, 1 << 64) if query.sector is None else (query.sector, query.sector + 1)
        bios = query.who.bios if query.who is not None else None
        lead, asked_at = (query.lead, bios.function) if bios is not None else (0, 0)
        self._wanted = tuple(
            DiskCatch(number, frozenset(map(str, Operation)), first, end, drive, lead, asked_at)
            for number, drive in enumerate(sorted(query.drives) or [""])
        )
        self._pending: list[_Asked] = []
        self._disks: dict[str, str] = {}
        """What the guest calls a drive, once that is sure."""
        timeline.machine.media.listeners.append(self._on_request)

    @property
    def stops(self) -> Stops:
        who = self._query.who
        return Stops(Breakpoints(linear=(who.bios.function,))) if who is not None and who.bios is not None else Stops()

    @property
    def looked_for(self) -> Stops:
        """The requests, which come without any stop that is set, and the time before each, in which it is asked for."""
        return Stops(catches=Catches(devices=self._wanted))

    def take(self, outcome: Outcome) -> None:
        who = self._query.who
        if not isinstance(outcome, BreakpointHit) or who is None or who.bios is None:
            return
        engine = self.engine
        place = engine.read_register("rdi")
        bio = who.bios.read(lambda address, size: engine.read_linear(Linear(address), size), place)
        task = who_runs(who.locator, engine)
        if bio is not None and task is not None and bio.count:
            self._pending.append(_Asked(bio, task, self.timeline.position.tick, bio.count))
            del self._pending[:-MOST_PENDING]

    def _on_request(self, request: DiskRequest) -> None:
        asked = self._asked_for(request)
        drives, sector = self._query.drives, self._query.sector
        if drives and request.unit not in drives:
            return
        if sector is not None and not request.sector <= sector < request.sector + request.count:
            return
        done = Position(Tick(request.completed))
        submitted, latency = Position(Tick(request.submitted)), request.completed - request.submitted
        tasks = list(dict.fromkeys((one.task.name, one.task.pid) for one in asked))
        files = list(dict.fromkeys(one.bio.file for one in asked if one.bio.file))
        row = DiskRow(
            done,
            request.unit,
            request.operation,
            request.sector,
            request.count,
            submitted,
            latency,
            ", ".join(dict.fromkeys(name for name, _ in tasks)),
            tasks[0][1] if len(tasks) == 1 else None,
            ", ".join(files),
        )
        self.add(row if self._is_sure(request, asked) else Unsure(row))

    def _is_sure(self, request: DiskRequest, asked: Sequence[_Asked]) -> bool:
        """Whether a longer lead would tell nothing: all sectors have somebody who asked for them, or no Linux runs."""
        who = self._query.who
        if self._query.lead >= LEAD or who is None or who.bios is None:
            return True
        at, end = request.sector, request.sector + request.count
        for one in sorted(asked, key=lambda one: one.bio.sector):
            if one.bio.sector <= at:
                at = max(at, one.bio.sector + one.bio.count)
        return at >= end or not self.engine.read_register("cr0") >> PAGING & 1

    def _asked_for(self, request: DiskRequest) -> list[_Asked]:
        """What was asked for of what has been moved now; nothing where that is not sure."""
        first, end = request.sector, request.sector + request.count
        is_read = request.operation is Operation.READ
        drive = self._drives.get(request.unit)
        found = [
            one
            for one in self._pending
            if one.bio.is_read == is_read
            and one.tick <= request.submitted
            and one.bio.sector < end
            and first < one.bio.sector + one.bio.count
            and drive is not None
            and self._may_be(drive, one.bio.disk)
        ]
        disks = {one.bio.disk for one in found}
        if len(disks) != 1:
            return []
        self._disks.setdefault(request.unit, disks.pop())
        for one in found:
            one.left -= min(end, one.bio.sector + one.bio.count) - max(first, one.bio.sector)
        self._pending = [one for one in self._pending if one.left > 0]
        return found

    def _may_be(self, drive: Drive, disk: str) -> bool:
        known = self._disks.get(drive.name)
        if known is not None:
            return disk == known
        return disk.startswith(NAMES[drive.bus]) and disk not in self._disks.values()
