"""Where symbols are read from: a file of this host, or one that came with the guest."""

from __future__ import annotations

import io
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

    def __str__(self) -> str:
        return str(self.path)
