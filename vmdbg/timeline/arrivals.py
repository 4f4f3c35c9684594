"""How instants were come to."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vmdbg.machine.snapshot import Position


class Came(enum.Enum):
    """What leads from one instant to the next."""

    INPUT = "input"
    DELIVERY = "delivery"
    INSTRUCTION = "instruction"


@dataclass(frozen=True, slots=True)
class Arrival:
    """From which instant, and by what. `code` is that of the instruction, as memory had it there."""

    before: Position
    came: Came
    code: bytes = b""
