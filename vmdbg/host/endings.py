"""How `vmdbg run` ends."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.machine.outcome import Outcome
from vmdbg.units import Tick


@dataclass(frozen=True, slots=True)
class GuestEnded:
    """The guest ended the run, one way or another."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TextSeen:
    """--until: the text appeared at `found_at`."""

    text: bytes
    found_at: Tick


@dataclass(frozen=True, slots=True)
class TickReached:
    """--stop-at."""


@dataclass(frozen=True, slots=True)
class UserQuit:
    """With the escape key, or from a debugger."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """SIGINT, SIGTERM or SIGHUP."""

    number: int


@dataclass(frozen=True, slots=True)
class Panicked:
    """The kernel said so, and does nothing more for ever."""


@dataclass(frozen=True, slots=True)
class OutputClosed:
    """Nobody reads stdout any more."""


@dataclass(frozen=True, slots=True)
class HostFailed:
    """The host could not give, or take, what a disk needed next, and there was nobody to mend it."""

    reason: str


Ending = GuestEnded | TextSeen | TickReached | UserQuit | Signalled | Panicked | OutputClosed | HostFailed
