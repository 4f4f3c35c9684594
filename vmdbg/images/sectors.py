"""An image by sectors, as machines and recordings read it."""

from __future__ import annotations

from collections.abc import Iterator

from devices.disk.medium import SECTOR
from vmdbg.images.image import Image


class ImageSectors:
    """An image by sectors: vmdbg.machine.media.Source."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.sectors = image.size // SECTOR
        self.read_only = not image.writable

    def read(self, sector: int, count: int) -> bytes:
        return self.image.read(sector * SECTOR, count * SECTOR)

    def write(self, sector: int, data: bytes) -> None:
        self.image.write(sector * SECTOR, data)

    def flush(self) -> None:
        self.image.flush()

    def open_for_writing(self) -> None:
        """Raises ImageError, and can still be read then."""
        self.image = self.image.opened_for_writing()
        self.read_only = False

    def recorded(self) -> tuple[int, ...]:
        """A whole image is no recording."""
        return ()

    def lasts(self, number: int) -> bool:
        """Others may write it, or its disk may fail."""
        return False

    @property
    def known_digest(self) -> None:
        """It may be asked for: it is whole."""
        return None

    def extents(self) -> Iterator[tuple[int, int]]:
        return self.image.extents()

    def close(self) -> None:
        self.image.close()
