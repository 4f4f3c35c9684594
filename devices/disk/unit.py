"""What is in a drive, as the drive's controller sees it: sectors, a serial number, and somebody who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.disk.medium import SECTOR, Medium
from devices.disk.overlay import PAGE, Overlay, SparsePages
from devices.disk.requests import DiskRequest, Listener, Operation
from devices.seam import Rows


@dataclass(slots=True)
class DiskUnitState:
    """What was written is kept as pages beside it."""


class DiskUnit:
    """A disk, whichever controller it is at: a Medium, and a device of the board with the pages that were written."""

    State: ClassVar[type[DiskUnitState]] = DiskUnitState

    def __init__(self, name: str, base: Medium, pages: SparsePages, serial: str) -> None:
        self.name = name
        self.title = "disk"
        self.serial = serial
        self.base = base
        self.pages = pages
        self.listeners: list[Listener] = []
        """Called with every request that moved data or flushed; they change nothing."""
        self._medium = Overlay(base, pages)

    @property
    def sectors(self) -> int:
        return self._medium.sectors

    @property
    def read_only(self) -> bool:
        return self._medium.read_only

    def read(self, sector: int, count: int) -> bytes:
        return self._medium.read(sector, count)

    def write(self, sector: int, data: bytes) -> None:
        self._medium.write(sector, data)

    def flush(self) -> None:
        self._medium.flush()

    def done(self, operation: Operation, sector: int, count: int, submitted: int, now: int) -> None:
        """A controller tells of a request that is done."""
        if self.listeners:
            request = DiskRequest(self.name, operation, sector, count, submitted, now)
            for listener in self.listeners:
                listener(request)

    def save(self) -> DiskUnitState:
        return DiskUnitState()

    def restore(self, state: DiskUnitState) -> None:
        """The pages are restored beside it."""

    def describe(self, now: int) -> Rows:
        written = sum(1 for _ in self.pages.numbers()) * PAGE
        return [
            ("size", f"{self.sectors} sectors, {self.sectors * SECTOR} bytes"),
            ("serial number", self.serial),
            ("written", f"{written} bytes, kept beside the image"),
        ]
