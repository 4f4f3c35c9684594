"""What scans of Linux have in common."""

from __future__ import annotations

from vmdbg.os.seam import CurrentTask
from vmdbg.queries.guest_memory import Ram
from vmdbg.queries.linux.known import NOBODY, KnownLinux, Member
from vmdbg.queries.scan import RowScan
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear


class LinuxScan(RowScan):
    """A scan that knows who runs."""

    def __init__(self, timeline: Timeline, known: KnownLinux) -> None:
        super().__init__(timeline)
        self.known = known
        self._ram = Ram(self.engine)

    def current(self) -> CurrentTask:
        """Who runs; NOBODY where that cannot be told."""
        return self.known.locator.read(self._ram, self.engine.read_register) or NOBODY

    def task_at(self, address: int) -> CurrentTask:
        return self.known.locator.task(self._ram, address) or NOBODY

    def of_task(self, task: int, member: Member) -> int:
        """The unsigned value of a member of the `struct task_struct` at a linear address."""
        place = self.known.locator.physical(task + member.offset)
        return int.from_bytes(self._ram.read(place, member.size), "little")

    def read(self, address: int, size: int) -> int | None:
        """The value of `size` bytes at a linear address."""
        return self.engine.read_integer(Linear(address), size)
