"""A recorded lab: all machines at one instant of its clock, and each as any recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType

from vmdbg.api.boot import open_recording
from vmdbg.api.guest import Guest
from vmdbg.api.lab import Lab, OnOutput
from vmdbg.errors import UserError
from vmdbg.lab.fabric import Hop
from vmdbg.lab.folder import LabIndex, Life, Passage, Pushed
from vmdbg.lab.forking import MARGIN, Past, Row, base_of, lives_on, rows_before
from vmdbg.lab.plan import Instant
from vmdbg.lab.station import Sent, Station
from vmdbg.machine.digest import Digest
from vmdbg.machine.inputs import Input
from vmdbg.recording.records import decode_input
from vmdbg.timeline.outcomes import Progress


class LabRecording:
    """Use it as a context manager, or close() it. It stands at the lab's first instant.

    Raises UserError, RecordingError.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.index = LabIndex(Path(fspath(folder)))
        self.plan = self.index.plan
        self._guests: dict[str, Guest] = {}
        """By the file of a life."""
        self.now = Instant(0)
        if not self.index.lives:
            raise UserError(f"{self.index.folder} has no machine that was switched on")

    def __enter__(self) -> LabRecording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def passages(self) -> Sequence[Passage]:
        """All that was put on links, in order: where and when, and where and when it came."""
        return self.index.passages

    @property
    def end(self) -> Instant:
        """The last instant that is known of some machine."""
        return max(Instant(life.born + self._guest(life).end.tick) for life in self.index.lives)

    def _guest(self, life: Life) -> Guest:
        if life.file not in self._guests:
            self._guests[life.file] = open_recording(self.index.folder / life.file)
        return self._guests[life.file]

    def life(self, machine: str) -> Life:
        """What the machine lives through now. Raises UserError if it is not switched on yet, or not there."""
        known = [one.name for one in self.plan.machines]
        if machine not in known:
            raise UserError(f"{machine} is no machine; there are: {', '.join(known)}")
        lives = [life for life in self.index.lives if life.machine == machine and life.born <= self.now]
        if not lives:
            raise UserError(f"{machine} is not switched on yet")
        return lives[-1]

    def machine(self, name: str) -> Guest:
        """Raises as life()."""
        return self._guest(self.life(name))

    @property
    def machines(self) -> Mapping[str, Guest]:
        """Those that have been switched on by now."""
        names = {life.machine: None for life in self.index.lives if life.born <= self.now}
        return {name: self.machine(name) for name in names}

    def instant_of(self, machine: str) -> Instant:
        """Where it stands by itself, on the lab's clock."""
        return Instant(self.life(machine).born + self.machine(machine).tick)

    def seek(self, instant: int, on_progress: Progress | None = None) -> None:
        """All machines to the first boundary at or after an instant, or to their end. Raises UserError."""
        if not 0 <= instant <= self.end:
            raise UserError(f"{instant} is not between 0 and the end of the lab's recording, {self.end}")
        self.now = Instant(instant)
        for name, guest in self.machines.items():
            guest.seek(min(max(0, instant - self.life(name).born), guest.end.tick), on_progress)

    def verify(self, on_progress: Progress | None = None) -> dict[str, tuple[int, int]]:
        """Replay every machine from its first instant: how many digests agreed, of how many, by file.

        Raises DivergenceError.
        """
        found = {}
        for life in self.index.lives:
            guest = self._guest(life)
            guest.timeline.checkpoints.clear()
            guest.seek("start")
            guest.seek("end", on_progress)
            verification = guest.timeline.verification
            found[life.file] = verification.agreed, len(list(verification.all()))
        return found

    def fork(
        self,
        instant: int | None = None,
        *,
        record: str | PathLike[str] | None = None,
        processes: bool = False,
        on_output: OnOutput = lambda _machine, _data, _at: None,
    ) -> Lab:
        """A lab that goes on from an instant, or from where this stands: as Lab.fork(). The recording stays as it is.

        Raises UserError, RecordingError, EngineError.
        """
        at = Instant(instant if instant is not None else self.now)
        if not 0 <= at <= self.end:
            raise UserError(f"{at} is not between 0 and the end of the lab's recording, {self.end}")
        rows = rows_before(self.index.rows, at)
        on = lives_on(rows, self.plan).values()
        base = base_of(self.plan, min([at, *(self._far(life, at) for life in on)]))
        pushed = {row: self._pushed(row) for row in rows if isinstance(row, Pushed)}
        past = Past(at, base, rows, tuple(self._hops(rows, at, base)), pushed, self.index.folder)
        return Lab(self.plan, record=record, processes=processes, on_output=on_output, past=past)

    def _far(self, life: Life, at: Instant) -> Instant:
        """How far it is known, up to an instant; if it has ended by itself, for good."""
        guest = self._guest(life)
        end = Instant(life.born + guest.end.tick)
        if end >= at:
            return at
        guest.seek("end")
        return at if guest.timeline.machine.ending is not None else end

    def _pushed(self, row: Pushed) -> Input:
        machine = next(self._guest(life) for life in self.index.lives if life.machine == row.machine).timeline.machine
        return decode_input(row.input, machine.config.memory, len(machine.engine.cpus)).input

    def _hops(self, rows: Sequence[Row], at: Instant, base: Instant) -> Iterable[Hop]:
        """What was put on links before an instant; with all bytes what machines sent since `base` that are off."""
        whole: dict[str, deque[Sent]] = {}
        on = lives_on(rows, self.plan).values()
        for life in rows:
            if isinstance(life, Life) and life not in on and life.born + self._guest(life).end.tick > base:
                for one in self._sent(life, base):
                    whole.setdefault(f"{life.machine}.{one.port}", deque()).append(one)
        for row in self.passages:
            if row.sent >= at:
                return
            data = bytes.fromhex(row.head).ljust(row.size, b"\0")
            sent, due = Instant(row.sent), Instant(row.due)
            if whole.get(row.source) and whole[row.source][0].at == sent:
                data = whole[row.source].popleft().data
            yield Hop(row.link, row.number, row.source, row.target, sent, due, data, row.lost)

    def _sent(self, life: Life, after: Instant) -> tuple[Sent, ...]:
        guest = self._guest(life)
        station = Station(life.machine, guest.timeline, self.plan.ports(life.machine), Instant(life.born))
        guest.timeline.governor = None
        guest.seek(max(0, after - MARGIN - life.born))
        return station.sent_up_to(guest.end, after)

    def digests(self) -> dict[str, Digest]:
        return {name: guest.digest() for name, guest in self.machines.items()}

    def close(self) -> None:
        for guest in self._guests.values():
            guest.close()
        self._guests.clear()
