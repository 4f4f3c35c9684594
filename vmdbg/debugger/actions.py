"""What a front end asks the guest to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vmdbg.machine.snapshot import Position
from vmdbg.units import Linear, Tick


class StepMode(enum.Enum):
    """SAME_CONTEXT: an interrupt or fault taken during the step runs to its return first.

    ARCHITECTURAL: to the next instruction, whatever it is.
    """

    SAME_CONTEXT = "same-context"
    ARCHITECTURAL = "architectural"


class Direction(enum.Enum):
    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True)
class Continue:
    """Run until something stops the guest; forwards, at most to the first boundary at or after `limit`."""

    direction: Direction = Direction.FORWARD
    limit: Tick | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """`count` steps; with `span` (start, end), step on while the pc is within. `mode` None: the debugger's own."""

    direction: Direction = Direction.FORWARD
    count: int = 1
    span: tuple[Linear, Linear] | None = None
    mode: StepMode | None = None


@dataclass(frozen=True, slots=True)
class Seek:
    """Go to an instant, past every breakpoint."""

    position: Position


Action = Continue | Step | Seek
