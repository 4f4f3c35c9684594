"""Where guest time keeps to host time while the guest idles. What the guest does depends on none of it."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from vmdbg.units import Tick


class Pacer(Protocol):
    """Holds a machine that idles back, as long as it is ahead of host time."""

    def wait_seconds(self) -> float:
        """How long to wait before the machine runs on; 0 if it has something to do."""
        ...

    def limit(self) -> Tick | None:
        """The tick that host time has come to; None while the guest is busy."""
        ...


class Place(enum.Enum):
    """Where the one sits who lets the guest run now."""

    CONSOLE = enum.auto()
    PROMPT = enum.auto()
    SCRIPT = enum.auto()


@dataclass(slots=True)
class Realtime:
    """`prompt` is for what a user types there, `scripts` for lines of files and options, `console` for the rest."""

    pacer: Pacer
    console: bool = False
    prompt: bool = False
    scripts: bool = False
    place: Place = Place.CONSOLE

    @property
    def present(self) -> Pacer | None:
        """Who holds the guest back now; None where that is not wanted."""
        match self.place:
            case Place.CONSOLE:
                wanted = self.console
            case Place.PROMPT:
                wanted = self.prompt
            case Place.SCRIPT:
                wanted = self.scripts
        return self.pacer if wanted else None

    @contextlib.contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Inside, the guest runs for somebody there."""
        before, self.place = self.place, place
        try:
            yield
        finally:
            self.place = before

    def choose(self, wanted: bool) -> None:
        """Everywhere, or nowhere."""
        self.console = self.prompt = self.scripts = wanted
