"""An image that is the disk, byte for byte: raw files, ISO files, block devices of the host."""

from __future__ import annotations

from collections.abc import Iterator

from devices.disk.medium import SECTOR
from vmdbg.images.host_file import HostFile
from vmdbg.images.image import FileIdentity, ImageError, Provenance


class RawImage:
    """All of a file, and zeros to the end of its last sector."""

    def __init__(self, file: HostFile, form: str = "raw", unit: int = SECTOR) -> None:
        """`unit`: the bytes in a sector. Raises ImageError."""
        self._file = file
        self.name = file.name
        self.format = form
        self.writable = file.writable
        self.size = -(-file.size // unit) * unit
        if not self.size:
            raise ImageError(f"the image {self.name} is empty: name another, or make one with `qemu-img create`")
        if self.writable and self.size != file.size:
            raise ImageError(
                f"the image {self.name} has {file.size} bytes, which is no whole number of sectors of {unit}: "
                f"{file.instead}, or lengthen it with `truncate` before"
            )

    @property
    def identity(self) -> FileIdentity:
        return self._file.identity

    @property
    def provenance(self) -> Provenance | None:
        identity = self._file.lasting_identity
        return ((self.format, identity),) if identity is not None else None

    def read(self, offset: int, length: int) -> bytes:
        there = min(length, max(0, self._file.size - offset))
        data = self._file.read(offset, there) if there else b""
        return data + bytes(length - there)

    def write(self, offset: int, data: bytes) -> None:
        self._file.write(offset, data)

    def flush(self) -> None:
        self._file.flush()

    def opened_for_writing(self) -> RawImage:
        if self.writable:
            return self
        again = self._file.opened_for_writing()
        try:
            return RawImage(again, self.format)
        except BaseException:
            again.close()
            self._file.reopen()
            raise

    def extents(self) -> Iterator[tuple[int, int]]:
        return self._file.extents()

    def close(self) -> None:
        self._file.close()
