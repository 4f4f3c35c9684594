"""Other front ends of the same machine, heard between two slices and while the prompt waits."""

from __future__ import annotations

import select
from typing import Protocol


class Companion(Protocol):
    """A gdb server, or whoever else speaks through a file. `poll` does what is due without waiting."""

    def fileno(self) -> int: ...

    def poll(self) -> object: ...


class Companions(list[Companion]):
    """All of them."""

    def poll(self) -> None:
        for companion in self:
            companion.poll()

    def wait(self, seconds: float, *files: int) -> None:
        """Until one of them or of `files` has something, at most so long."""
        if seconds > 0:
            select.select([*files, *(companion.fileno() for companion in self)], [], [], seconds)
