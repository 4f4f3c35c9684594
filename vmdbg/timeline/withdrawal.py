"""Where the host failed a device: at that boundary not all has come that should have, so it is no instant."""

from __future__ import annotations

from devices.disk.medium import MediumError
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position


def last_before(machine: Machine, failed: Position) -> Position:
    """The last instant before `failed`, at which the host fails, or did. The machine stands shortly before it, with
    nothing armed, and moves.
    """
    while True:
        here = machine.position
        try:
            machine.step(failed.tick)
        except MediumError:
            return here
        if machine.position >= failed or machine.position == here:
            return here
