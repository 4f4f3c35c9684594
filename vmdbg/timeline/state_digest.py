"""What a machine's state is boiled down to along a timeline, so that two runs can be compared tick by tick."""

from __future__ import annotations

from dataclasses import dataclass, fields

import xxhash

from vmdbg.errors import RecordingError
from vmdbg.machine.digest import devices_digest
from vmdbg.machine.machine import Machine
from vmdbg.machine.snapshot import Position

DIGEST_INTERVAL = 1 << 30
"""Ticks between two digests."""


@dataclass(frozen=True, slots=True)
class StateDigest:
    """XXH3-128 in hex of the CPUs with their TLBs, of RAM page by page, and of all devices with their deadlines."""

    position: Position
    cpu: str
    ram: str
    devices: str


class DivergenceError(RecordingError):
    """A replay came to another state than the recording. Never expected of the build of vmdbg that made it: a fault
    of vmdbg or of the host. `other_build` says in words which build did, if it was another.
    """

    def __init__(self, expected: StateDigest, found: StateDigest, other_build: str = "") -> None:
        self.expected, self.found, self.other_build = expected, found, other_build
        self.differing = tuple(
            field.name for field in fields(expected) if getattr(expected, field.name) != getattr(found, field.name)
        )
        where = f" (now {found.position})" if found.position != expected.position else ""
        advice = "please report this with the recording"
        if other_build:
            advice = f"the recording was made by {other_build}: replay it with that"
        super().__init__(
            f"the replay diverged from the recording at or before tick {expected.position}{where}: "
            f"{', '.join(self.differing)} differ. Everything before the last digest that agreed can be trusted; "
            f"{advice}"
        )

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[StateDigest, StateDigest, str]]:
        """For workers in other processes."""
        return DivergenceError, (self.expected, self.found, self.other_build)


def state_digest(machine: Machine, ram: str) -> StateDigest:
    """The digest of a standing machine whose RAM's is `ram`."""
    return StateDigest(
        position=machine.position,
        cpu=xxhash.xxh3_128_hexdigest(machine.engine.cpu_digest_bytes()),
        ram=ram,
        devices=devices_digest(machine.save()),
    )
