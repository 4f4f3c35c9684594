"""What a guest stopped for, as iterators give it."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.debugger.stops import Stop
from vmdbg.machine.snapshot import Position
from vmdbg.units import Linear


@dataclass(frozen=True, slots=True)
class Hit:
    """A stop and where it was. Registers and memory are the guest's, as long as it stands there."""

    position: Position
    pc: Linear
    stop: Stop
