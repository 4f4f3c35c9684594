"""What a script keeps of a guest, and asks of all its history."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from vmdbg.api.standing import Address, Standing
from vmdbg.errors import RecordingError, UserError
from vmdbg.expressions.place import Aim
from vmdbg.machine.snapshot import Position

if TYPE_CHECKING:
    from devices.display.frame import Frame
    from vmdbg.document.lanes import Chart
    from vmdbg.document.strip import Strip
    from vmdbg.queries.queries import Queries


class Keeping(Standing):
    """Recordings, snapshots, cores, dumps and questions."""

    def record(self, path: str | PathLike[str], *, embed: bool = True) -> None:
        """Record everything from now on, which must be the start of the history. Raises UserError."""
        from vmdbg.recording.writer import start_recording

        if self.position != self.start or not self.live:
            raise UserError("recording begins where the history does: use save_recording() to write what has happened")
        self._writer = start_recording(fspath(path), self.timeline, embed=embed)

    def record_on(self, path: str | PathLike[str]) -> None:
        """Write the whole history to a new file, and all that comes. At its end. Raises UserError, RecordingError."""
        from vmdbg.recording.save import record_on

        if self.position != self.end or not self.live:
            raise UserError("recording goes on where the history does: go to its end, or `fork` it here")
        if self.timeline.recorder is not None:
            raise UserError("this timeline is being recorded already")
        self._writer = record_on(self.timeline, fspath(path))

    @property
    def recording_failure(self) -> RecordingError | None:
        """Why recording had to end before its time, such as a full disk."""
        return self._writer.failure if self._writer is not None else None

    def save_recording(self, path: str | PathLike[str]) -> None:
        """Write the whole history to a new file. Raises UserError, RecordingError."""
        from vmdbg.recording.save import save_recording

        save_recording(self.timeline, fspath(path))

    def save_snapshot(self, path: str | PathLike[str]) -> None:
        """Write this instant to a new file; resume() goes on from it. Raises UserError, RecordingError."""
        from vmdbg.recording.save import save_snapshot

        save_snapshot(self.timeline, fspath(path))

    def dump_core(self, path: str | PathLike[str], *, kdump: bool = False) -> Path:
        """Write memory and registers of this instant to a new file: an ELF core, or kdump's compressed form.

        Returns where it is. Raises UserError.
        """
        from vmdbg.session.dumping import dump_core

        place = self.session.files.place(fspath(path))
        dump_core(self.session, place, compressed=kdump)
        return place

    def dump_memory(self, path: str | PathLike[str], start: Address, end: Address, *, physical: bool = False) -> Path:
        """Write [start, end) of linear or physical memory to a new file. Raises UserError, which names a hole."""
        from vmdbg.session.dumping import dump_memory

        first, last = (self._place(one, Aim.DATA, physical=physical).address for one in (start, end))
        place = self.session.files.place(fspath(path))
        dump_memory(self.session, place, first, last, physical=physical)
        return place

    def screenshot(self, path: str | PathLike[str]) -> Path:
        """Write what a monitor at the machine shows at this instant to a new PNG file. Raises UserError."""
        from vmdbg.session.screenshot import write_screenshot

        return write_screenshot(self.session, fspath(path))[0]

    def screen(self) -> Frame:
        """What a monitor shows: width, height, and three bytes a dot, red, green and blue. Raises UserError."""
        from vmdbg.session.screen import frame_of

        return frame_of(self.debugger.machine)

    @property
    def queries(self) -> Queries:
        """Questions about the whole history: who wrote, all calls, all exceptions and so on."""
        from vmdbg.queries.queries import Queries
        from vmdbg.session.known_linux import interrupts_of, linux_of, who_of

        session = self.session
        return Queries(
            self.timeline,
            self.recording,
            linux=lambda: linux_of(session),
            who=lambda: who_of(session),
            interrupts=lambda functions: interrupts_of(session, functions),
        )

    def overview(self, stretches: int = 512) -> Strip:
        """The whole history at a glance, counted in at most so many stretches: lines of the console, who had each CPU,
        and how many interrupts, exceptions, system calls, requests to disks and packets there were.

        Notebooks draw it; `vmdbg.document.strip_svg.svg()` does for all others. Raises UserError.
        """
        from vmdbg.session.history_strip import strip_of

        return strip_of(self.timeline, self.queries.survey(stretches))

    def interleaving(
        self,
        begin: str | Position,
        end: str | Position,
        *,
        address: str = "",
        size: int | None = None,
        function: str = "",
        cpus: Iterable[int] = (),
    ) -> Chart:
        """What CPUs did at shared addresses between two instants, in order: `entries`, and `ties` between them.

        Of `size` bytes at an address, or of the data of a function, and of some CPUs; else of all.
        `vmdbg.document.lanes_svg.svg()` draws it. Raises UserError where that is too much to look at.
        """
        from vmdbg.commands.time.interleaved import interleaving_between

        return interleaving_between(
            self.session,
            str(begin),
            str(end),
            address=address,
            size="" if size is None else str(size),
            function=function,
            cpus=[str(cpu) for cpu in cpus],
        )
