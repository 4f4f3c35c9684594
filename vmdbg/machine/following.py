"""Disks with snapshot=off: their images follow what the guest writes."""

from __future__ import annotations

import os
from collections.abc import Callable

from devices.disk.overlay import PAGE, Overlay
from vmdbg.errors import UserError
from vmdbg.machine.media import ReadMedium, TakenBack


class ImageFollower:
    """devices.disk.overlay.Follower: an image that has what the guest has written, as soon as that is written.

    The machine sees nothing of it: its disk is the image as it was with what was written beside it, and a history is
    replayed from that. Invariant: the image is the disk as it was at `until`, a tick, where the history has got to:
    what is written again on the way there is in the image already. Only the process that made this writes.
    """

    def __init__(self, disk: str, medium: ReadMedium, overlay: Overlay, now: Callable[[], int]) -> None:
        self.disk = disk
        self.medium = medium
        self.until = 0
        self._overlay = overlay
        self._now = now
        self._process = os.getpid()

    @property
    def written(self) -> int:
        """Bytes of the image that are, or were for a while, others than before."""
        return len(self.medium.replaced) * PAGE

    def write(self, sector: int, data: bytes) -> None:
        now = self._now()
        if now < self.until or os.getpid() != self._process:
            return
        self.until = now  # also of a write that fails half-way: it is done again, or taken back
        self.medium.write_image(sector, data)

    def flush(self) -> None:
        if self._now() >= self.until and os.getpid() == self._process:
            self.medium.image.flush()

    def take_back(self) -> TakenBack | None:
        """Bring the image to the present instant, whose future is dropped; None if it is there. Raises MediumError."""
        now = self._now()
        pages = self.medium.bring_to(self._overlay) if now < self.until else 0
        self.until = min(self.until, now)
        return TakenBack(self.disk, self.medium.name, pages * PAGE) if pages else None


def write_image(medium: ReadMedium, overlay: Overlay) -> int:
    """Bring an image that does not follow to what the disk is now; returns how many pages were others.

    Its history stays what it was. Raises UserError for an image that cannot be written.
    """
    if medium.follower is not None:
        raise UserError(
            f"{medium.name} follows what the guest writes (snapshot=off), up to the end of the history: "
            "`fork` takes it back to this instant"
        )
    medium.image.open_for_writing()
    return medium.bring_to(overlay, overlay.written())
