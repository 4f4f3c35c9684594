"""Pages of a medium that the host's image may not have any more when a history needs them again."""

from __future__ import annotations

import os

from devices.disk.overlay import PAGE


class PageStash:
    """Pages by number, each put once: in a file that goes with the process, or in memory where the host has no room.

    Invariant: only the process that made it writes the file; a copy of that process keeps what it adds in memory.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._file = -1
        self._end = 0
        self._in_file: dict[int, int] = {}
        self._in_memory: dict[int, bytes] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._in_file or number in self._in_memory

    def __len__(self) -> int:
        return len(self._in_file) + len(self._in_memory)

    def has_any(self, first: int, end: int) -> bool:
        """Whether there is one of a row of pages."""
        if not self._in_file and not self._in_memory:
            return False
        return any(number in self for number in range(first, end))

    def put(self, first: int, pages: bytes) -> None:
        """Keep those from a number on, none of which is there yet."""
        places = range(0, len(pages), PAGE)
        if not self._write(pages):
            self._in_memory.update((first + at // PAGE, pages[at : at + PAGE]) for at in places)
            return
        self._in_file.update((first + at // PAGE, self._end + at) for at in places)
        self._end += len(pages)

    def _write(self, pages: bytes) -> bool:
        """Whether they are in the file, all of them."""
        if os.getpid() != self._process:
            return False
        try:
            if self._file < 0:
                self._file = nameless_file()
            return os.pwrite(self._file, pages, self._end) == len(pages)
        except OSError:
            return False

    def get(self, number: int) -> bytes:
        """One that is there."""
        if number in self._in_memory:
            return self._in_memory[number]
        return os.pread(self._file, PAGE, self._in_file[number])

    def close(self) -> None:
        """Nothing of it is needed any more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def nameless_file() -> int:
    """Its descriptor. Raises OSError."""
    import tempfile  # for machines with media only

    file, path = tempfile.mkstemp(prefix="vmdbg-")
    os.unlink(path)
    return file
