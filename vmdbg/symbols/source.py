"""Where symbols are read from: a file of this host, or one that came with the guest."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vmdbg.errors import UserError


@dataclass(frozen=True, slots=True)
class SymbolSource:
    """`content` is that of a file which need not be here any more, such as the kernel in a recording."""

    path: Path
    content: memoryview | None = None

    def open(self) -> BinaryIO:
        """Raises UserError."""
        if self.content is not None:
            return io.BytesIO(self.content)
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from error

    def read(self, most: int = -1) -> bytes:
        """All of it, or the first `most` bytes. Raises UserError."""
        with self.open() as file:
            try:
                return file.read(most)
            except OSError as error:
                raise UserError(f"cannot read {self.path}: {error.strerror}") from error

    def reader(self) -> FileReader | ContentReader:
        """For what is too large to be read at once. Raises UserError."""
        return FileReader(self.path) if self.content is None else ContentReader(self.content)

    def __str__(self) -> str:
        return str(self.path)


class ContentReader:
    """Parts of what is in memory."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self.size = len(content)

    def __call__(self, offset: int, size: int) -> bytes:
        return bytes(self._content[offset : offset + size])


class FileReader:
    """Parts of a file, which must stay as it is: a compiler may write it anew while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        status = os.fstat(self._number)
        self.size = status.st_size
        self._state = status.st_size, status.st_mtime_ns

    def __call__(self, offset: int, size: int) -> bytes:
        """Raises UserError."""
        status = os.fstat(self._number)
        if (status.st_size, status.st_mtime_ns) != self._state:
            raise UserError(f"{self._path} has changed since it was read; `symbol-file {self._path}` reads it again")
        try:
            return os.pread(self._number, size, offset)
        except OSError as error:
            raise UserError(f"cannot read {self._path}: {error.strerror}") from error

    def __del__(self) -> None:
        if (number := getattr(self, "_number", None)) is not None:
            os.close(number)
