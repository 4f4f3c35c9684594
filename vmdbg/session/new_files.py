"""Where commands may put the files that they write: anywhere for the user, one directory for who merely connects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import lexists
from pathlib import Path
from typing import BinaryIO, Protocol

from vmdbg.errors import UserError
from vmdbg.files import new_file
from vmdbg.session.host_path import host_path

MOST_FILES = 100
MOST_BYTES = 4 << 30
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")


class NewFiles(Protocol):
    """Finds places for files."""

    def place(self, name: str, size: int = 0) -> Path:
        """Where a new file of that name goes, which will have `size` bytes if that is known; nothing is there yet.

        Raises UserError.
        """
        ...


@contextmanager
def written_new(path: Path) -> Iterator[BinaryIO]:
    """A file at a place that was found, of which nothing is left if it does not become whole. Raises UserError."""
    try:
        with new_file(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


class AnywhereNew:
    """Wherever the user says."""

    def place(self, name: str, size: int = 0) -> Path:
        path = host_path(name)
        if lexists(path):
            raise UserError(f"{path} exists; it is not overwritten: choose another name")
        return path


class Outbox:
    """One directory, made when first needed, for bare names, a limited number of files and bytes.

    It holds what clients of the gdb server write, who must not reach any other file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def place(self, name: str, size: int = 0) -> Path:
        if not _NAME.fullmatch(name):
            raise UserError(f"{name[:60]!r} is no bare file name: the file goes into {self._directory}")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sizes = [entry.lstat().st_size for entry in self._directory.iterdir()]
        except OSError as error:
            raise UserError(f"cannot use {self._directory}: {error.strerror or error}") from error
        used = sum(sizes)
        if len(sizes) >= MOST_FILES or used >= MOST_BYTES:
            raise UserError(f"{self._directory} is full ({len(sizes)} files): remove some")
        if used + size > MOST_BYTES:
            raise UserError(f"{self._directory} has room for {MOST_BYTES - used:,} bytes, not {size:,}: remove some")
        return AnywhereNew().place(str(self._directory / name))
