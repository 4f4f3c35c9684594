"""What others have to say on the user's terminal, kept back while it would spoil a line there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Write = Callable[[], None]


class Interjections:
    """Each writes lines of its own. `make_room` is called before one that need not wait."""

    def __init__(self, make_room: Callable[[], None]) -> None:
        self._make_room = make_room
        self._held = False
        self._waiting: list[Write] = []

    def add(self, write: Write) -> None:
        """Now, or as soon as there is room. Safe in other threads."""
        if self._held:
            self._waiting.append(write)
        else:
            self._make_room()
            write()

    @property
    def are_held(self) -> bool:
        return self._held

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def write(self) -> None:
        """All that waits, in order: the caller has made room."""
        while self._waiting:
            self._waiting.pop(0)()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, they wait for write(); what is left is written at the end."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
            if not before:
                self.write()
