"""Where guest time keeps to host time while the guest idles. What the guest does depends on none of it."""

from __future__ import annotations

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


@dataclass(slots=True)
class Realtime:
    """`prompt` is for what a user types there, `scripts` for lines of files and options, `console` for the rest."""

    pacer: Pacer
    console: bool = False
    prompt: bool = False
    scripts: bool = False

    def choose(self, wanted: bool) -> None:
        """Everywhere, or nowhere."""
        self.console = self.prompt = self.scripts = wanted
