"""What a machine's state is boiled down to along a timeline, so that two runs can be compared tick by tick."""

from __future__ import annotations

from dataclasses import dataclass, fields

import xxhash

from vmdbg.errors import RecordingError
from vmdbg.machine.digest import devices_digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position
from vmdbg.timeline.ram import RamImage

DIGEST_INTERVAL = 1 << 30
"""Ticks between two digests."""


@dataclass(frozen=True, slots=True)
class StateDigest:
    """XXH3-128 in hex of the CPU with its TLB, of RAM page by page, and of all devices with their deadlines."""

    position: Position
    cpu: str
    ram: str
    devices: str


class DivergenceError(RecordingError):
    """A replay came to another state than the recording. Never expected: a fault of vmdbg or of the host."""

    def __init__(self, expected: StateDigest, found: StateDigest) -> None:
        self.expected, self.found = expected, found
        self.differing = tuple(
            field.name for field in fields(expected) if getattr(expected, field.name) != getattr(found, field.name)
        )
        where = f" (now {found.position})" if found.position != expected.position else ""
        super().__init__(
            f"the replay diverged from the recording at or before tick {expected.position}{where}: "
            f"{', '.join(self.differing)} differ. Everything before the last digest that agreed can be trusted; "
            "please report this with the recording"
        )

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[StateDigest, StateDigest]]:
        """For workers in other processes."""
        return DivergenceError, (self.expected, self.found)


def state_digest(machine: Machine, ram: RamImage) -> StateDigest:
    """The digest of a standing machine whose RAM is `ram`."""
    return StateDigest(
        position=machine.position,
        cpu=xxhash.xxh3_128_hexdigest(machine.engine.cpu_digest_bytes()),
        ram=ram.digest(),
        devices=devices_digest(machine.save()),
    )
