"""Who keeps a timeline as it happens."""

from __future__ import annotations

from typing import Protocol

from vmdbg.machine.snapshot import Position
from vmdbg.timeline.checkpoint import Checkpoint
from vmdbg.timeline.history import PlacedInput
from vmdbg.timeline.history_index import Part
from vmdbg.timeline.state_digest import StateDigest


class Recorder(Protocol):
    """Who keeps a timeline as it happens."""

    def on_input(self, entry: PlacedInput) -> None: ...

    def on_digest(self, digest: StateDigest) -> None: ...

    def on_checkpoint(self, checkpoint: Checkpoint) -> None: ...

    def on_part(self, part: Part) -> None:
        """It is known what a part of the history touched."""
        ...

    def on_advance(self, position: Position) -> None:
        """The live end moved to `position`."""
        ...

    def on_fork(self) -> None:
        """The future that was recorded is about to be dropped."""
        ...
