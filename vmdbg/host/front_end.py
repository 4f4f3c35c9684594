"""A front end of a machine: gdb's server, the prompt, a script in Python. Any number of them share one."""

from __future__ import annotations

import enum
from typing import Protocol


class Presence(enum.Enum):
    """Who is there at a front end."""

    AWAY = enum.auto()
    """Nobody: a client that may come."""
    WATCHES = enum.auto()
    """Somebody who waits for the guest to stop, or who sees by himself whether it stands."""
    HOLDS = enum.auto()
    """Somebody who was told that the guest stands, and would be wrong about it if it moved."""


class EndWanted(enum.Enum):
    """Whether the user of a front end has ended the run."""

    NO = enum.auto()
    WHEN_ALONE = enum.auto()
    """As soon as nobody is present at any front end."""
    NOW = enum.auto()


class FrontEnd(Protocol):
    """All is called in the thread of the run loop, between two slices. Points and runs bear the name of their owner."""

    @property
    def owner(self) -> str: ...

    @property
    def presence(self) -> Presence: ...

    @property
    def end_wanted(self) -> EndWanted: ...

    def fileno(self) -> int | None:
        """Readable when poll() has something to do; None if it never has."""
        ...

    def poll(self) -> bool:
        """Do what is due, without waiting. Whether anything was."""
        ...

    def linger(self) -> bool:
        """Wait a little for one who has just asked something and may go on. Whether anything was asked."""
        ...

    def wants_turn(self, *, alone: bool) -> bool:
        """Whether its user is to have the thread, now that the guest stands. `alone`: no other is present."""
        ...

    def take_turn(self) -> None:
        """Have the thread until the guest is to run or the run is over. The loop's serve() and slice() go on inside."""
        ...

    def break_in(self) -> bool:
        """The user at the guest's console wants to have the guest stopped here. Whether somebody can take it."""
        ...

    def stands_unseen(self, words: str) -> None:
        """The guest came to an end that nobody meant, or the host failed it, with nobody present: it stands for whoever
        comes.
        """
        ...

    def close(self) -> None:
        """Leave: points go, and whatever else was set."""
        ...
