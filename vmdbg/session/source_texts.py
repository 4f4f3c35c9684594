"""The text of source files, and where they are looked for on this host."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from os.path import isdir, isfile
from pathlib import Path

from vmdbg.errors import UserError

LONGEST_SOURCE = 1 << 24
DEEPEST = 8
"""Folders below the one of a symbol file in which its sources are looked for."""


class SourceTexts:
    """The names come out of symbol files, which may be a guest's own: who may not reach the host is shown none."""

    def __init__(self, *, may_read: bool) -> None:
        self._may_read = may_read
        self.directories: list[Path] = [Path()]
        self._texts: dict[str, list[str] | None] = {}
        self._paths: dict[str, Path | None] = {}

    def add_directory(self, path: Path) -> None:
        """Look for sources there too, first. Raises UserError."""
        if not isdir(path):
            raise UserError(f"{path} is no directory")
        self.directories.insert(0, path)
        self._texts.clear()
        self._paths.clear()

    def of(self, file: str, beside: Iterable[Path]) -> list[str] | None:
        """The lines of a file by its name in debug information; looked for in `beside` last. None: not found."""
        if not self._may_read:
            return None
        if file not in self._texts:
            self._texts[file] = self._read(file, beside)
        return self._texts[file]

    def path(self, file: str, beside: Iterable[Path]) -> Path | None:
        """Where of() would have a file from. None: not found."""
        if not self._may_read:
            return None
        if file not in self._paths:
            self._paths[file] = next((place.absolute() for place in self._places(file, beside) if isfile(place)), None)
        return self._paths[file]

    def _places(self, file: str, beside: Iterable[Path]) -> list[Path]:
        places = [Path(file)] if file.startswith("/") else [directory / file for directory in self.directories]
        ends = list(_ends(Path(file)))
        return places + [directory / end for directory in beside for end in ends]

    def _read(self, file: str, beside: Iterable[Path]) -> list[str] | None:
        for place in self._places(file, beside):
            try:
                return _lines(place)
            except (OSError, ValueError):
                continue
        return None


def _ends(path: Path) -> Iterator[Path]:
    """`b/c.c` and `c.c` of `/a/b/c.c`: who built the file may have had it in a folder beside."""
    parts = path.parts[-DEEPEST:]
    for first in range(len(parts)):
        if not path.is_absolute() or first or len(path.parts) > DEEPEST:
            yield Path(*parts[first:])


def _lines(path: Path) -> list[str]:
    """Raises OSError for what is no file of text: a device, a pipe, or too much."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST_SOURCE:
            raise OSError(f"{path} is no source file")
        return file.read(LONGEST_SOURCE).decode("utf-8", "replace").splitlines()
