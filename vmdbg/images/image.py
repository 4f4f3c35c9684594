"""What an image of a disk offers, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from devices.disk.medium import MediumError
from vmdbg.errors import UserError


class ImageError(UserError, MediumError):
    """An image cannot be opened, read or written. Says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What is another when a file was written or replaced."""

    device: int
    number: int
    size: int
    modified: int
    changed: int


Provenance = tuple[tuple[str, FileIdentity], ...]
"""The format and the identity of an image's file, and of those behind it. While all are these, so is what it holds."""


class Image(Protocol):
    """Bytes, as the guest is to see them. All methods raise ImageError."""

    @property
    def name(self) -> str:
        """What the user called it."""
        ...

    @property
    def identity(self) -> FileIdentity:
        """Of the file that it is in: what an image of the same file, unchanged, has too."""
        ...

    @property
    def provenance(self) -> Provenance | None:
        """None where it says nothing of what the image holds: one of the files is written here, is another than it was
        when it was opened, or is a block device.
        """
        ...

    @property
    def format(self) -> str: ...

    @property
    def size(self) -> int:
        """In bytes: whole sectors."""
        ...

    @property
    def writable(self) -> bool: ...

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes, all of them within `size`."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Only where it is writable."""
        ...

    def flush(self) -> None:
        """Returns once the host says that what was written stays."""
        ...

    def opened_for_writing(self) -> Image:
        """The same image, writable, in place of this one, which is closed. Raises ImageError, and is as it was then."""
        ...

    def extents(self) -> Iterator[tuple[int, int]]:
        """Start and end of what may hold other than zeros, ascending; all besides is zeros."""
        ...

    def close(self) -> None: ...
