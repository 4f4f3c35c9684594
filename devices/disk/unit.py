"""What is in a drive, as the drive's controller sees it: sectors, a serial number, and somebody who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devices.disk.medium import SECTOR, Medium
from devices.disk.overlay import PAGE, Overlay, page_count
from devices.disk.requests import DiskRequest, Listener, Operation
from devices.fitting import Slot
from devices.seam import Rows


@dataclass(slots=True)
class DiskUnitState:
    """What was written is kept as pages beside it."""


class DiskUnit:
    """A disk, whichever controller it is at: a Medium, and a device of the board with what was written."""

    State: ClassVar[type[DiskUnitState]] = DiskUnitState

    title = "disk"

    def __init__(self, name: str, overlay: Overlay, serial: str) -> None:
        self.name = name
        self.serial = serial
        self.overlay = overlay
        self.listeners: list[Listener] = []
        """Called with every request that moved data or flushed; they change nothing."""

    @property
    def sectors(self) -> int:
        return self.overlay.sectors

    @property
    def read_only(self) -> bool:
        return self.overlay.read_only

    def read(self, sector: int, count: int) -> bytes:
        return self.overlay.read(sector, count)

    def write(self, sector: int, data: bytes) -> None:
        self.overlay.write(sector, data)

    def discard(self, sector: int, count: int) -> None:
        """What is there is wanted no more."""
        self.overlay.discard(sector, count)

    def flush(self) -> None:
        self.overlay.flush()

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
        written = sum(1 for _ in self.overlay.written()) * PAGE
        return [
            ("size", f"{self.sectors} sectors, {self.sectors * SECTOR} bytes"),
            ("serial number", self.serial),
            ("written", f"{written} bytes, kept beside the image"),
        ]


def fit_disk(slot: Slot, base: Medium, serial: str) -> DiskUnit:
    """The disk called as the slot is, over an image that it never writes."""
    pages = page_count(base.sectors)
    data, written = slot.pages("sectors", pages * PAGE), slot.pages("map of pages", -(-pages // 8))
    return DiskUnit(slot.name, Overlay(base, data, written), serial)
